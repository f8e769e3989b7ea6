// Notes in one JSON file.

import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { randomUUID } from 'node:crypto';

export const maxText = 500; // characters

export class Notes {
  #path;
  #last = Promise.resolve(); // changes wait for the one before them

  constructor(path) {
    this.#path = path;
  }

  async list() {
    try {
      return JSON.parse(await readFile(this.#path, 'utf8'));
    } catch (error) {
      if (error.code === 'ENOENT') {
        return [];
      }
      throw error;
    }
  }

  // add returns the new note, or nothing where text is none.
  async add(text) {
    if (typeof text !== 'string' || text.trim() === '' || text.length > maxText) {
      return undefined;
    }
    const note = { id: randomUUID(), text: text.trim(), at: new Date().toISOString() };
    await this.#change((notes) => [...notes, note]);
    return note;
  }

  // remove reports whether there was such a note.
  async remove(id) {
    let found = false;
    await this.#change((notes) => {
      found = notes.some((note) => note.id === id);
      return notes.filter((note) => note.id !== id);
    });
    return found;
  }

  #change(next) {
    const turn = this.#last.then(async () => {
      const notes = next(await this.list());
      await mkdir(dirname(this.#path), { recursive: true });
      await writeFile(this.#path + '.new', JSON.stringify(notes, null, 2));
      await rename(this.#path + '.new', this.#path);
    });
    this.#last = turn.catch(() => {});
    return turn;
  }
}
