package say

var findings = map[string]entry{}
