// Takes a folder, chosen or dropped, packs it into a zip here in the browser, and hands that to the drop zone above.
// Browsers upload files one by one and without their folders, which is where the labels are.

const card = element.closest(".ow-card");
card.setAttribute("role", "group");
card.setAttribute("aria-label", card.querySelector("h2").lastChild.textContent);
const MOST_FILES = 65000; // beyond these two a zip needs its 64-bit form
const MOST_BYTES = 2 ** 32 - 2 ** 24;
const TABLE = new Uint32Array(256).map((_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n >>> 0;
});

function say(text) {
  element.querySelector("[role=status]").textContent = text;
}

async function checksum(file) {
  let crc = 0xffffffff;
  const reader = file.stream().getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read())
    for (const byte of next.value) crc = TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

// Numbers of 2 or 4 bytes, little-endian: [[size, value], …]
function record(fields) {
  const view = new DataView(new ArrayBuffer(fields.reduce((sum, [size]) => sum + size, 0)));
  let at = 0;
  for (const [size, value] of fields) {
    if (size === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += size;
  }
  return view.buffer;
}

// Stored, not compressed: images already are. The date is always the same, so that the same folder is the same zip.
async function zip(files) {
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const [number, [path, file]] of files.entries()) {
    if (number % 50 === 0) say(`Packing ${(number + 1).toLocaleString("en")} of ${files.length.toLocaleString("en")} files…`);
    const name = new TextEncoder().encode(path);
    const crc = await checksum(file);
    const common = [[2, 20], [2, 0x0800], [2, 0], [2, 0], [2, 0x21], [4, crc], [4, file.size], [4, file.size], [2, name.length], [2, 0]];
    const head = record([[4, 0x04034b50], ...common]);
    parts.push(head, name, file);
    directory.push(record([[4, 0x02014b50], [2, 20], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]]), name);
    offset += head.byteLength + name.length + file.size;
  }
  const size = directory.reduce((sum, part) => sum + part.byteLength, 0);
  const end = record([[4, 0x06054b50], [2, 0], [2, 0], [2, files.length], [2, files.length], [4, size], [4, offset], [2, 0]]);
  return [...parts, ...directory, end];
}

async function take(name, files) {
  const kept = files.filter(([path]) => !path.split("/").some((part) => part.startsWith(".")));
  kept.sort(([one], [other]) => (one < other ? -1 : 1));
  const bytes = kept.reduce((sum, [, file]) => sum + file.size, 0);
  if (!kept.length) return say(`The folder ${name} is empty.`);
  if (kept.length > MOST_FILES || bytes > MOST_BYTES) return say(`The folder ${name} is too large to pack here: make a zip of it.`);
  try {
    const packed = new File(await zip(kept), `${name}.zip`, { type: "application/zip" });
    const transfer = new DataTransfer();
    transfer.items.add(packed);
    const input = card.querySelector(".ow-drop input[type=file]");
    input.files = transfer.files;
    input.dispatchEvent(new Event("change"));
    say("");
  } catch (error) {
    say(`The folder ${name} cannot be read: ${error.message}`);
  }
}

// A dropped folder as [path, file] pairs; a folder tells its entries in portions.
async function walk(entry, above = "") {
  const path = above + entry.name;
  if (entry.isFile) return [[path, await new Promise((done, failed) => entry.file(done, failed))]];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) return found;
    for (const one of some) found.push(...(await walk(one, path + "/")));
  }
}

element.addEventListener("click", (event) => {
  if (event.target.closest("button")) element.querySelector("input").click();
});

element.addEventListener("change", (event) => {
  const files = [...event.target.files];
  if (files.length)
    take(
      files[0].webkitRelativePath.split("/")[0],
      files.map((file) => [file.webkitRelativePath, file]),
    );
  event.target.value = "";
});

card.addEventListener(
  "drop",
  async (event) => {
    const entries = [...(event.dataTransfer?.items || [])].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    if (!event.target.closest(".ow-drop") || !entries.some((entry) => entry.isDirectory)) return;
    event.preventDefault();
    event.stopPropagation();
    event.target.dispatchEvent(new DragEvent("dragleave", { bubbles: true }));
    try {
      const files = (await Promise.all(entries.map((entry) => walk(entry)))).flat();
      await take(entries.find((entry) => entry.isDirectory).name, files);
    } catch (error) {
      say(`The folder cannot be read: ${error.message}`);
    }
  },
  true,
);
