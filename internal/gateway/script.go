package gateway

import _ "embed" // the JavaScript client

// Script is the JavaScript module for pages and for Node.js: client.js.
//
//go:embed client.js
var Script []byte
