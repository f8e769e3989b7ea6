// A list that stays in the browser.

const key = 'list';
const form = document.getElementById('add');
const list = document.getElementById('list');
const count = document.getElementById('count');

let items = [];
try {
  items = JSON.parse(localStorage.getItem(key)) ?? [];
} catch {
  // What is stored there is not ours: begin anew.
}

function change(next) {
  items = next;
  localStorage.setItem(key, JSON.stringify(items));
  show();
}

function row(item, i) {
  const li = document.createElement('li');
  li.classList.toggle('done', item.done);
  const done = document.createElement('input');
  done.type = 'checkbox';
  done.checked = item.done;
  done.setAttribute('aria-label', item.what);
  done.addEventListener('change', () => change(items.with(i, { ...item, done: done.checked })));
  const what = document.createElement('span');
  what.textContent = item.what; // text, never markup
  const remove = document.createElement('button');
  remove.type = 'button';
  remove.textContent = 'Remove';
  remove.addEventListener('click', () => change(items.toSpliced(i, 1)));
  li.append(done, what, remove);
  return li;
}

function show() {
  list.replaceChildren(...items.map(row));
  const open = items.filter((item) => !item.done).length;
  count.textContent = `${open} of ${items.length} to do`;
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const what = form.elements.what.value.trim();
  if (what) {
    change([...items, { what, done: false }]);
  }
  form.reset();
});

show();
