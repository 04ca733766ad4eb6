package say

var advice = map[string]entry{}
