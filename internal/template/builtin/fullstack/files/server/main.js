import { fileURLToPath } from 'node:url';

import { app } from './app.js';
import { Notes } from './notes.js';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const port = Number(process.env.PORT || 3000);
const server = app(new Notes(here('../data/notes.json')), here('../web'));

server.listen(port, () => console.log('listening on port ' + port));

// A stop sends SIGTERM: finish what is under way, then end.
process.on('SIGTERM', () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
