package say

var actions = map[string]entry{}
