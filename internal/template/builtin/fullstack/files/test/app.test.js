import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { app } from '../server/app.js';
import { Notes } from '../server/notes.js';

let base, folder, server;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'notes-'));
  server = app(new Notes(join(folder, 'notes.json')), fileURLToPath(new URL('../web', import.meta.url)));
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  base = `http://127.0.0.1:${server.address().port}`;
});

after(async () => {
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true });
});

const post = (text) => fetch(base + '/api/notes', { method: 'POST', body: JSON.stringify({ text }) });

test('a note comes back until it is removed', async () => {
  const note = await (await post('buy milk')).json();
  assert.equal((await (await fetch(base + '/api/notes')).json())[0].text, 'buy milk');
  const gone = await fetch(`${base}/api/notes/${note.id}`, { method: 'DELETE' });
  assert.equal(gone.status, 200);
  assert.deepEqual(await (await fetch(base + '/api/notes')).json(), []);
});

test('two notes at once are both kept', async () => {
  await Promise.all([post('one'), post('two')]);
  const notes = await (await fetch(base + '/api/notes')).json();
  assert.deepEqual(notes.map((note) => note.text).sort(), ['one', 'two']);
});

test('what is no note is refused', async () => {
  for (const text of ['', ' ', 7, 'x'.repeat(501)]) {
    assert.equal((await post(text)).status, 400);
  }
});

test('pages are served, and nothing above their folder', async () => {
  assert.match(await (await fetch(base + '/')).text(), /<title>/);
  for (const path of ['/..%2fpackage.json', '/%2e%2e/package.json', '/nothing']) {
    assert.equal((await fetch(base + path)).status, 404);
  }
});
