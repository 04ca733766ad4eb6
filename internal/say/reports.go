package say

var reports = map[string]entry{}
