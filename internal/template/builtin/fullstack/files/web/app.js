// The page: asks the API and shows what it answers.

const form = document.getElementById('add');
const list = document.getElementById('notes');
const state = document.getElementById('state');

async function ask(method, path, value) {
  const response = await fetch('api/' + path, {
    method,
    headers: { 'Content-Type': 'application/json' },
    body: value && JSON.stringify(value),
  });
  const answer = await response.json();
  if (!response.ok) {
    throw new Error(answer.error);
  }
  return answer;
}

function row(note) {
  const li = document.createElement('li');
  const text = document.createElement('span');
  text.textContent = note.text; // text, never markup
  const remove = document.createElement('button');
  remove.type = 'button';
  remove.textContent = 'Remove';
  remove.addEventListener('click', () => act(() => ask('DELETE', 'notes/' + note.id)));
  li.append(text, remove);
  return li;
}

// act does something, then shows how things are.
async function act(what) {
  try {
    await what?.();
    const notes = await ask('GET', 'notes');
    list.replaceChildren(...notes.map(row));
    state.textContent = notes.length === 1 ? 'one note' : notes.length + ' notes';
  } catch (error) {
    state.textContent = 'This did not work: ' + error.message;
  }
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const text = form.elements.text.value;
  act(async () => {
    await ask('POST', 'notes', { text });
    form.reset();
  });
});

act();
