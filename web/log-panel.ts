// The log: how long it is, what its signed checkpoint says, and how to verify it without trusting this page.

import { byId, type Child, element } from './element.ts'
import { raw, record, text } from './json.ts'
import { timeElement, whole } from './numbers.ts'
import { type Checkpoint, readCheckpoint } from './shapes.ts'

const HASH_ENDS_CHARS = 8
const COPIED_SHOWN_MS = 2000

export interface LogPanel {
  /** An answer of `hub.status`. */
  showStatus(status: unknown): void
  /** A `checkpoint` event. */
  showCheckpoint(event: unknown): void
  clear(): void
}

export function openLogPanel(): LogPanel {
  const size = element('span', { class: 'size' }, '–')
  const origin = element('code', {})
  const hash = copyable('the root hash')
  const mode = element('span', {})
  const started = element('span', {})
  const command = copyable('the command')
  const curl = copyable('the command')
  const vkey = copyable('the public key')
  command.show(`polity verify ${location.origin}`)
  curl.show(`curl ${location.origin}/log/checkpoint`)
  byId('log').replaceChildren(
    element('p', { class: 'log-size' }, size, ' entries, all in one Merkle tree'),
    element(
      'dl',
      { class: 'facts' },
      wide(fact('Origin', origin)),
      wide(fact('Root hash', hash.root)),
      fact('Gate', mode),
      fact('Hub started', started),
    ),
    element(
      'details',
      { class: 'verify' },
      element('summary', {}, 'Verify it yourself'),
      element('p', { class: 'hint' }, 'This checks every entry and every hash from their bytes:'),
      command.root,
      element('p', { class: 'hint' }, 'The signed checkpoint, open to everybody:'),
      curl.root,
      element(
        'p',
        { class: 'hint' },
        'The key that it is signed with, as this hub tells it. Pass ',
        element('code', {}, '--vkey'),
        ' with the one that the operator gave you by other means:',
      ),
      vkey.root,
    ),
  )

  let shown = -1
  const showCheckpoint = (checkpoint: Checkpoint | undefined) => {
    // Checkpoints may overtake each other on the way; the log only grows.
    if (!checkpoint || checkpoint.size < shown) return
    shown = checkpoint.size
    size.textContent = whole(checkpoint.size)
    origin.textContent = checkpoint.origin
    hash.show(checkpoint.rootHash, shortened(checkpoint.rootHash))
  }
  return {
    showCheckpoint: (event) => showCheckpoint(readCheckpoint(record(event).checkpoint)),
    showStatus(status) {
      const fields = record(status)
      showCheckpoint(readCheckpoint(fields.checkpoint))
      const { bundle, startedAt } = fields
      mode.textContent = text(fields.mode)
      mode.title = `Rules: ${text(bundle)}`
      started.replaceChildren(timeElement(raw(startedAt)))
      vkey.show(text(fields.vkey))
      byId('release').textContent = `Polity ${text(fields.release)}, realm ${text(fields.realm)}.`
    },
    clear() {
      shown = -1
      for (const each of [size, origin, mode, started, byId('release')]) each.textContent = ''
      hash.show('')
      vkey.show('')
    },
  }
}

const shortened = (hash: string): string =>
  `${hash.slice(0, HASH_ENDS_CHARS)}…${hash.slice(-HASH_ENDS_CHARS)}`

const fact = (name: string, ...value: readonly Child[]): HTMLElement =>
  element('div', {}, element('dt', {}, name), element('dd', {}, ...value))

function wide(made: HTMLElement): HTMLElement {
  made.className = 'wide'
  return made
}

/** A text in code, perhaps shortened, and a button that copies all of it. */
function copyable(what: string): { root: HTMLElement; show(whole: string, short?: string): void } {
  const code = element('code', {})
  const button = element(
    'button',
    { class: 'quiet copy', type: 'button', 'aria-label': `Copy ${what}` },
    'Copy',
  )
  let all = ''
  button.addEventListener('click', async () => {
    button.textContent = (await copy(all)) ? 'Copied' : 'Selected'
    if (button.textContent === 'Selected') {
      code.textContent = all
      getSelection()?.selectAllChildren(code)
    }
    setTimeout(() => {
      button.textContent = 'Copy'
    }, COPIED_SHOWN_MS)
  })
  return {
    root: element('span', { class: 'copyable' }, code, button),
    show(whole, short = whole) {
      all = whole
      code.textContent = short
      code.title = whole
    },
  }
}

/** False where the browser keeps the clipboard to itself (plain HTTP from another machine). */
async function copy(value: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(value)
    return true
  } catch {
    return false
  }
}
