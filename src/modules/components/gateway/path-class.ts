// The form of a path: what looks like a key becomes {id}, so that many paths are one route.

const PARTS_MAX = 8
const PART_MAX_CHARS = 40
/** Of a whole form. */
export const PATH_CLASS_MAX_CHARS = PARTS_MAX * (PART_MAX_CHARS + 1) + 4

const KEYS: readonly RegExp[] = [
  /^\d+$/,
  /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i,
  /^[0-9a-f]{16,}$/i,
  // Words of addresses seldom have three digits; tokens and dated names do.
  /^(?=(?:[^\d]*\d){3})/,
  // Percent-encoded and unusual characters belong to what people type.
  /[^A-Za-z0-9._~-]/,
]

/**
 * `/plans/42/tasks` -> `/plans/{id}/tasks`; pure, and bounded whatever it is given. Ways to write one path have one
 * form, because rules name it: needless escapes (RFC 3986 section 6.2.2.2), and slashes that many servers merge.
 */
export function pathClassOf(path: string): string {
  const [, ...parts] = path
    .slice(0, 4096)
    .replaceAll(/\/{2,}/g, '/')
    .split('/')
  const shown = parts
    .slice(0, PARTS_MAX)
    .map(unescaped)
    .map((part) => (isKey(part) ? '{id}' : part))
  return `/${shown.join('/')}${parts.length > PARTS_MAX ? '/...' : ''}`
}

const unescaped = (part: string): string =>
  part.replaceAll(/%[0-9a-f]{2}/gi, (written) => {
    const meant = String.fromCharCode(Number.parseInt(written.slice(1), 16))
    return /[A-Za-z0-9._~-]/.test(meant) ? meant : written
  })

const isKey = (part: string): boolean =>
  part.length > PART_MAX_CHARS || KEYS.some((form) => part !== '' && form.test(part))
