// The dialog that renames and deletes jobs, on the pages that show them. A button with data-manage opens it; its data say
// for which job, or, with data-ids, for which several. What was chosen goes to the server as a `submit` event.
const page = element.closest('.ow-page');
const dialog = element.querySelector('dialog');
const form = dialog.querySelector('form');
const field = form.querySelector('input');
let ids = [];

const show = (name, yes) => dialog.querySelectorAll(`[data-if="${name}"]`).forEach((part) => { part.hidden = !yes; });

page.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-manage]');
  if (!button) return;
  ids = button.dataset.ids.split(',');
  dialog.querySelector('h2').textContent = button.dataset.name;
  field.value = button.dataset.name;
  show('one', ids.length === 1);
  show('done', button.dataset.done === 'yes');
  show('active', button.dataset.done !== 'yes');
  dialog.querySelectorAll('button').forEach((one) => { one.disabled = false; });
  dialog.showModal();
});

dialog.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (event.target === dialog || button?.value === 'close') { dialog.close(); return; }
  if (button?.value !== 'delete') return;
  button.disabled = true;
  trigger('submit', {act: 'delete', ids});
  dialog.close();
});

form.addEventListener('submit', (event) => {
  event.preventDefault();
  trigger('submit', {act: 'rename', ids, name: field.value});
  dialog.close();
});
