// What an entry of the log says, in words: who did what, what was decided, and what came of it. Every door that shows entries to people tells them from here.

import { approvalWords } from './approval-words.ts'
import { archiveWords } from './archive-words.ts'
import { componentWords } from './component-words.ts'
import { eventWords } from './event-words.ts'
import { gateWords } from './gate-words.ts'
import { hubWords } from './hub-words.ts'
import type { Json } from './json.ts'
import { logWords } from './log-words.ts'
import { penOf, type Tellers, type Text } from './pen.ts'
import { repositoryWords } from './repository-words.ts'
import { runWords } from './run-words.ts'
import { plain, type Told } from './told.ts'

/** What is told of an entry. */
export interface Tellable {
  readonly type: string
  readonly subject?: string
  readonly data: Json
}

export interface Telling {
  /** A type that this release does not know is told by its name and subject. */
  readonly tell: (entry: Tellable) => Told
  /** Who acted; an entry that names nobody is the hub's own. */
  readonly who: (entry: { readonly actor?: string }) => string
}

/** Every text in the answers has gone through `text`. */
export function tellingIn(text: Text): Telling {
  const pen = penOf(text)
  const tellers: Tellers = {
    ...gateWords(pen),
    ...approvalWords(pen),
    ...runWords(pen),
    ...hubWords(pen),
    ...logWords(pen),
    ...repositoryWords(pen),
    ...archiveWords(pen),
    ...componentWords(pen),
    ...eventWords(pen),
  }
  return {
    tell({ type, subject = '', data }) {
      const teller = Object.hasOwn(tellers, type) ? tellers[type] : undefined
      return teller?.(data) ?? plain(subject === '' ? text(type) : `${text(type)} on ${text(subject)}`)
    },
    who: ({ actor }) => text(actor) || 'the hub',
  }
}
