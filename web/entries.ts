// The latest entries: newest first, bounded, each opening to its JSON; news waits while somebody reads.

import { byId, element } from './element.ts'
import { printable, record } from './json.ts'
import { counted, timeElement, whole } from './numbers.ts'
import type { Entry } from './shapes.ts'
import { tell, who } from './words.ts'

const SHOWN_MAX = 100

export interface Entries {
  /** The latest entries as the API lists them; starts anew when others are missing in between. */
  begin(latest: readonly Entry[]): void
  /** News of the stream, in any order: they slide in. */
  add(news: readonly Entry[]): void
  clear(): void
}

export function openEntries(): Entries {
  const listElement = byId('entry-list')
  const button = byId('entries-waiting')
  const waiting: Entry[] = []
  const seen = new Set<number>()

  const show = (entry: Entry, isNews: boolean) => {
    const item = entryItem(entry, isNews)
    // Almost always the first comparison ends the search: entries arrive in order.
    const next = [...listElement.children].find((each) => seqOf(each) < entry.seq)
    listElement.insertBefore(item, next ?? null)
    while (listElement.childElementCount > SHOWN_MAX) {
      const last = listElement.lastElementChild
      if (last) seen.delete(seqOf(last))
      last?.remove()
    }
  }
  const release = () => {
    for (const entry of waiting.splice(0)) show(entry, true)
    button.hidden = true
  }
  // Rows must not move under a pointer, a focus, or an entry that is being read.
  const isBeingRead = () =>
    listElement.matches(':hover') ||
    listElement.querySelector(':focus-visible') !== null ||
    listElement.querySelector('details[open]') !== null ||
    listElement.scrollTop > 0

  const releaseWhenLeft = () => {
    if (waiting.length > 0 && !isBeingRead()) release()
  }
  for (const event of ['pointerleave', 'focusout', 'scroll', 'toggle'])
    listElement.addEventListener(event, () => queueMicrotask(releaseWhenLeft), {
      capture: true,
      passive: true,
    })
  button.addEventListener('click', () => {
    listElement.scrollTop = 0
    release()
  })

  const clear = () => {
    waiting.length = 0
    seen.clear()
    listElement.replaceChildren()
    button.hidden = true
  }
  const take = (entries: readonly Entry[], isNews: boolean) => {
    const oldest = listElement.childElementCount >= SHOWN_MAX ? seqOf(listElement.lastElementChild) : -1
    const fresh = entries
      .filter(({ seq }) => !seen.has(seq) && seq > oldest)
      .sort((one, other) => one.seq - other.seq)
    for (const entry of fresh) {
      seen.add(entry.seq)
      if (isNews && isBeingRead()) waiting.push(entry)
      else show(entry, isNews)
    }
    for (const dropped of waiting.splice(0, waiting.length - SHOWN_MAX)) seen.delete(dropped.seq)
    button.hidden = waiting.length === 0
    button.textContent = `Show ${counted(waiting.length, 'new entry', 'new entries')}`
  }

  return {
    begin(latest) {
      const isGap = Math.max(...seen) + 1 < Math.min(...latest.map(({ seq }) => seq))
      if (seen.size > 0 && isGap) clear()
      take(latest, seen.size > 0)
    },
    add: (news) => take(news, true),
    clear,
  }
}

const seqOf = (item: Element | null): number => Number(item?.getAttribute('value') ?? -1)

function entryItem(entry: Entry, isNews: boolean): HTMLLIElement {
  const { what, tone, verdict, sentence } = tell(entry)
  const content = element('div', { class: 'entry-content' })
  const opening = element(
    'details',
    {},
    element(
      'summary',
      {},
      element('span', { class: 'told' }, element('span', { class: 'who' }, who(entry)), ` ${what}`),
      element(
        'span',
        { class: 'meta' },
        element('span', { class: 'seq', title: 'Position in the log' }, `#${whole(entry.seq)}`),
        timeElement(entry.time),
      ),
      verdict !== undefined && element('span', { class: 'verdict', 'data-tone': tone }, verdict),
      sentence !== undefined && element('span', { class: 'sentence' }, sentence),
    ),
    content,
  )
  opening.addEventListener('toggle', () => {
    if (opening.open && content.childElementCount === 0) content.append(...entryContent(entry))
  })
  return element('li', { value: entry.seq, class: isNews ? 'entry arriving' : 'entry' }, opening)
}

function entryContent({ seq, data, whole: entry }: Entry): Node[] {
  const { sentence } = record(data)
  return [
    ...(typeof sentence === 'string' && data.effect === 'allow'
      ? [element('p', { class: 'hint' }, printable(sentence))]
      : []),
    element(
      'pre',
      { tabindex: 0, 'aria-label': `Entry ${seq} as JSON` },
      printable(JSON.stringify(entry, null, 2)),
    ),
    element(
      'p',
      { class: 'links' },
      element('a', { href: `/log/proof/${seq}` }, 'Proof of inclusion'),
      element('a', { href: `/v1/log/entries/${seq}` }, 'Entry in the API'),
    ),
  ]
}
