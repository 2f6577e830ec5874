// What stands in the form: kept over a reload, and carried by a link in its fragment, which no server sees.

const KEY = "playground";
// A link that says more than a form can hold is none of ours.
const STATE_MAX_BYTES = 2 * 1024 * 1024;

// The fragment that holds a state, compressed where the browser can do that.
export async function toFragment(state) {
  const bytes = new TextEncoder().encode(JSON.stringify(state));
  if (typeof CompressionStream === "undefined") return `#j=${base64(bytes)}`;
  const packed = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  return `#s=${base64(new Uint8Array(await new Response(packed).arrayBuffer()))}`;
}

// The state of a fragment; null where it holds none.
export async function fromFragment(fragment) {
  const [, kind, text] = fragment.match(/^#([sj])=([\w-]+)$/) ?? [];
  if (!kind) return null;
  try {
    let bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
    if (kind === "s") bytes = await unpacked(bytes);
    return asState(JSON.parse(new TextDecoder().decode(bytes)));
  } catch {
    return null;
  }
}

export function keep(state) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(state));
  } catch {
    // It is too large, or the browser keeps nothing: then a reload begins anew.
  }
}

export function kept() {
  try {
    return asState(JSON.parse(sessionStorage.getItem(KEY)));
  } catch {
    return null;
  }
}

// Texts alone: whoever wrote the link, nothing else comes into the form.
function asState(found) {
  if (typeof found !== "object" || found === null) return null;
  return Object.fromEntries(Object.entries(found).filter(([, value]) => typeof value === "string"));
}

function base64(bytes) {
  let text = "";
  // An argument list has its limit.
  for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

async function unpacked(bytes) {
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const parts = [];
  let count = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    count += value.length;
    if (count > STATE_MAX_BYTES) throw new Error("too large");
    parts.push(value);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}
