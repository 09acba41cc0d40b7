// The history: filters, sorting and pages live in the address, so that reload and the back button do what they should.
// A row that is selected stays selected while the table is drawn anew.
const page = element.closest('.ow-page');
const selected = new Map(); // id to whether the job is done
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
let typed = 0;

const form = () => page.querySelector('form.ow-filters');
const look = () => {
  element.querySelector('.ow-board')?.setAttribute('aria-busy', 'true');
  trigger('submit', {query: window.location.search});
};
const go = (search) => {
  const address = window.location.pathname + search;
  if (search !== window.location.search) window.history.pushState({}, '', address);
  look();
};
const written = () => {
  const filled = [...new FormData(form())].filter(([, value]) => value !== '');
  const old = new URLSearchParams(window.location.search);
  for (const kept of ['sort', 'order']) if (old.has(kept)) filled.push([kept, old.get(kept)]);
  const search = new URLSearchParams(filled).toString();
  return search && `?${search}`;
};

page.addEventListener('submit', (event) => {
  if (!event.target.matches('form.ow-filters')) return;
  event.preventDefault();
  go(written());
});
page.addEventListener('change', (event) => {
  if (event.target.matches('form.ow-filters select')) go(written());
  if (event.target.matches('input[data-select]')) choose(event.target);
});
page.addEventListener('input', async (event) => {
  if (!event.target.matches('form.ow-filters input')) return;
  const mine = ++typed;
  await sleep(250); // a word is typed, not single letters
  if (mine === typed) go(written());
});
page.addEventListener('click', (event) => {
  const link = event.target.closest('a[data-look]');
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    go(new URL(link.href).search);
  }
  if (event.target.closest('[data-unselect], dialog button[value="delete"]')) { selected.clear(); mark(); }
});
window.addEventListener('popstate', () => {
  const asked = new URLSearchParams(window.location.search);
  for (const field of form().elements) if (field.name) field.value = asked.get(field.name) ?? '';
  look();
});

const choose = (box) => {
  const boxes = box.dataset.select === 'all' ? [...element.querySelectorAll('input[data-select]')] : [box];
  for (const one of boxes) {
    if (one.dataset.select === 'all') continue;
    if (box.checked) selected.set(one.dataset.select, one.dataset.done);
    else selected.delete(one.dataset.select);
  }
  mark();
};
const mark = () => {
  const boxes = [...element.querySelectorAll('input[data-select]')];
  const rows = boxes.filter((box) => box.dataset.select !== 'all');
  for (const box of rows) {
    box.checked = selected.has(box.dataset.select);
    if (box.checked) selected.set(box.dataset.select, box.dataset.done);
    box.closest('tr').classList.toggle('ow-chosen-row', box.checked);
  }
  const all = boxes.find((box) => box.dataset.select === 'all');
  const count = rows.filter((box) => box.checked).length;
  if (all) { all.checked = count > 0 && count === rows.length; all.indeterminate = count > 0 && count < rows.length; }
  const bar = page.querySelector('.ow-selection');
  const ids = [...selected.keys()];
  bar.hidden = ids.length === 0;
  bar.querySelector('b').textContent = ids.length === 1 ? '1 job selected' : `${ids.length} jobs selected`;
  const compare = bar.querySelector('a');
  compare.hidden = ids.length < 2;
  compare.href = `compare?ids=${ids.join(',')}`;
  bar.querySelector('.ow-hint').hidden = ids.length > 1;
  const change = bar.querySelector('button[data-manage]');
  change.dataset.ids = ids.join(',');
  change.dataset.name = ids.length === 1
    ? element.querySelector(`input[data-select="${ids[0]}"]`)?.dataset.name ?? '1 job' : `${ids.length} jobs`;
  change.textContent = ids.length === 1 ? 'Rename or delete' : 'Delete';
  change.dataset.done = [...selected.values()].every((done) => done === 'yes') ? 'yes' : 'no';
};
watch('value', mark);
