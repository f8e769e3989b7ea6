// The HTTP side: /api is the API, everything else a file of the folder web.

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';

const maxBody = 10_000; // bytes
const types = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript', '.svg': 'image/svg+xml' };

export function app(notes, web) {
  return createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    try {
      await (pathname.startsWith('/api/') ? api(notes, pathname, request, response) : file(web, pathname, request, response));
    } catch (error) {
      console.error(error);
      send(response, 500, { error: 'something went wrong' });
    }
  });
}

async function api(notes, pathname, request, response) {
  const [, , what, id] = pathname.split('/');
  if (what === 'health') {
    return send(response, 200, { ok: true });
  }
  if (what !== 'notes') {
    return send(response, 404, { error: 'there is no such thing' });
  }
  switch (request.method) {
    case 'GET':
      return send(response, 200, await notes.list());
    case 'POST': {
      const note = await notes.add((await body(request))?.text);
      return note ? send(response, 201, note) : send(response, 400, { error: 'a note is a text of 1 to 500 characters' });
    }
    case 'DELETE':
      return (await notes.remove(id)) ? send(response, 200, {}) : send(response, 404, { error: 'there is no such note' });
  }
  return send(response, 405, { error: 'GET, POST or DELETE' });
}

// body returns the JSON of a request, or nothing.
async function body(request) {
  let text = '';
  for await (const part of request) {
    text += part;
    if (text.length > maxBody) {
      return undefined;
    }
  }
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function file(web, pathname, request, response) {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return send(response, 405, { error: 'GET or HEAD' });
  }
  const name = pathname.endsWith('/') ? pathname + 'index.html' : pathname;
  try {
    // The path begins with a slash, so normalize leads to nothing above the folder.
    const data = await readFile(join(web, normalize(decodeURIComponent(name))));
    response.writeHead(200, { 'Content-Type': (types[extname(name)] ?? 'application/octet-stream') + '; charset=utf-8' });
    response.end(request.method === 'HEAD' ? undefined : data);
  } catch {
    send(response, 404, { error: 'there is no such page' });
  }
}

function send(response, status, value) {
  response.writeHead(status, { 'Content-Type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify(value) + '\n');
}
