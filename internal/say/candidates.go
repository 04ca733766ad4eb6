package say

var candidates = map[string]entry{}
