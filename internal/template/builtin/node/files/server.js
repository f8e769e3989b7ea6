'use strict';

const http = require('node:http');

const port = Number(process.env.PORT || 3000);
const greeting = process.env.GREETING || 'Hello';

const server = http.createServer((request, response) => {
  response.setHeader('Content-Type', 'text/plain; charset=utf-8');
  response.end(greeting + '\n');
});

server.listen(port, () => console.log('listening on port ' + port));

// A stop sends SIGTERM: finish what is under way, then end.
process.on('SIGTERM', () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
