package vault

import _ "embed"

// readme is what every target holds for a person without Salvor.
//
//go:embed README.txt
var readme string
