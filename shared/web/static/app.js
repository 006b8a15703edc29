// Page script: theme, single keys, toggles, dialogs, figures, toast. No framework; every page works without it.
(() => {
  const root = document.documentElement;
  root.classList.add('js');
  const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
  const on = (type, selector, act) => document.addEventListener(type, event => {
    const found = event.target.closest?.(selector);
    if (found) act(found, event);
  });
  const kept = (name, value) => { // storage may be forbidden; the page does without
    try { return value === undefined ? localStorage.getItem(name) : localStorage.setItem(name, value); } catch { return null; }
  };

  // ---- light or dark
  const chosen = kept('theme');
  if (chosen) root.dataset.theme = chosen;
  on('click', '[data-theme-toggle]', () => {
    const now = root.dataset.theme || (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
    root.dataset.theme = now === 'dark' ? 'light' : 'dark';
    kept('theme', root.dataset.theme);
  });

  // ---- parts that open
  on('click', '[data-toggle]', button => {
    const open = document.getElementById(button.dataset.toggle).classList.toggle('is-open');
    button.setAttribute('aria-expanded', open);
  });
  on('click', '[data-confirm] > summary', (summary, event) => {
    event.preventDefault();
    const details = summary.parentElement, dialog = details.querySelector('dialog');
    details.open = true; // a closed <details> would hide the dialog
    dialog.close();
    dialog.showModal();
    dialog.querySelector('input:not([type=hidden]), select, textarea, [data-close]').focus();
  });
  on('click', '[data-close]', button => button.closest('dialog').close());
  document.addEventListener('close', event => {
    const details = event.target.closest?.('[data-confirm]');
    if (!details || event.target.matches(':modal')) return;
    // the close before showModal() is reported later, when the dialog is open again
    if (event.target.open) return;
    details.open = false;
    event.target.setAttribute('open', '');
    details.querySelector('summary').focus();
  }, true);

  // ---- single keys; off while typing, and they can be switched off altogether
  const keysOn = () => kept('keys') !== 'off';
  const sayKeys = () => $$('[data-keys-word]').forEach(word => { word.textContent = keysOn() ? 'off' : 'on'; });
  on('click', '[data-keys-toggle]', () => {
    kept('keys', keysOn() ? 'off' : 'on');
    root.classList.toggle('no-keys', !keysOn());
    sayKeys();
  });
  root.classList.toggle('no-keys', !keysOn());
  document.addEventListener('keydown', event => {
    if (!keysOn() || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.target.closest('input:not([type=checkbox]):not([type=radio]), textarea, select, dialog, [contenteditable]')) return;
    const search = event.key === '/' && document.getElementById('q');
    const target = search || $$('[data-key]').find(part => part.dataset.key === event.key.toLowerCase() && part.offsetParent);
    if (!target) return;
    event.preventDefault();
    if (search) { search.focus(); search.select(); } else target.click();
  });

  document.addEventListener('DOMContentLoaded', sayKeys);
  addEventListener('load', () => { // not before: going to the #part of the address takes the focus away again
    const errors = document.getElementById('errors');
    if (errors && document.activeElement === document.body) errors.focus();
  });

  // ---- parts that were fetched
  document.addEventListener('htmx:afterSwap', event => { // the bell has asked; the bar of a phone shows the same
    if (event.target.matches?.('[data-unread]')) $$('[data-unread]').forEach(part => { part.innerHTML = event.target.innerHTML; });
  });
  document.addEventListener('htmx:afterSettle', event => { // what was pressed is gone; go on where it led
    const next = event.detail.requestConfig?.elt?.closest('[data-focus-after]')?.dataset.focusAfter;
    if (next) document.getElementById(next)?.focus({ preventScroll: true });
  });

  // ---- toast, with undo where there is one
  let timer;
  window.toast = (text, undo) => {
    const box = document.querySelector('.toast'), button = box.querySelector('[data-toast-undo]');
    box.querySelector('[data-toast-text]').textContent = text;
    button.hidden = !undo;
    button.onclick = () => { undo(); box.hidden = true; };
    box.hidden = false;
    clearTimeout(timer);
    timer = setTimeout(() => { box.hidden = true; }, 8000);
  };

  // ---- figures: take them away as picture or numbers
  const save = (blob, name) => {
    const link = Object.assign(document.createElement('a'), { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const paint = ['fill', 'stroke', 'stroke-width', 'opacity', 'font-family', 'font-size', 'font-weight', 'stroke-dasharray'];
  const alone = svg => { // the page's colours are written on to a copy, so that the file needs no stylesheet
    const copy = svg.cloneNode(true), copies = [copy, ...$$('*', copy)];
    [svg, ...$$('*', svg)].forEach((part, i) => {
      const style = getComputedStyle(part);
      for (const name of paint) copies[i].style.setProperty(name, style.getPropertyValue(name));
    });
    const [, , width, height] = svg.getAttribute('viewBox').split(' ').map(Number);
    copy.setAttribute('width', width);
    copy.setAttribute('height', height);
    return { text: new XMLSerializer().serializeToString(copy), width, height };
  };
  on('click', '[data-save]', async button => {
    const figure = document.getElementById(button.dataset.fig), kind = button.dataset.save;
    button.closest('[popover]')?.hidePopover();
    if (kind === 'csv') {
      const cell = text => `"${text.trim().replaceAll('"', '""')}"`;
      const rows = $$('table tr', figure).map(row => [...row.cells].map(c => cell(c.textContent)).join(';'));
      return save(new Blob(['\ufeff' + rows.join('\r\n')], { type: 'text/csv' }), `${figure.id}.csv`);
    }
    const { text, width, height } = alone($$('.chart', figure).find(c => c.getBoundingClientRect().width) ?? figure.querySelector('.chart'));
    const blob = new Blob([text], { type: 'image/svg+xml' });
    if (kind === 'svg') return save(blob, `${figure.id}.svg`);
    const image = new Image();
    image.src = URL.createObjectURL(blob);
    await image.decode();
    const canvas = Object.assign(document.createElement('canvas'), { width: width * 2, height: height * 2 });
    const context = canvas.getContext('2d');
    context.fillStyle = getComputedStyle(root).backgroundColor;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    URL.revokeObjectURL(image.src);
    canvas.toBlob(png => save(png, `${figure.id}.png`));
  });

  let tip;
  document.addEventListener('pointermove', event => {
    const mark = event.target.closest?.('[data-tip]');
    if (!mark) { if (tip) tip.hidden = true; return; }
    tip ??= document.body.appendChild(Object.assign(document.createElement('div'), { className: 'tip', ariaHidden: 'true' }));
    tip.hidden = false;
    tip.textContent = mark.dataset.tip;
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.min(event.clientX + 14, innerWidth - box.width - 8)}px`;
    tip.style.top = `${Math.max(8, event.clientY - box.height - 12)}px`;
  }, { passive: true });
})();
