// Who made the commits: identities joined by the mailmap, machines told from people.

import { createHash } from 'node:crypto'
import { displayText } from '../git/display.ts'
import { MAX_NAME_CHARS } from '../limits.ts'
import { type Mailmap, mapped } from './mailmap.ts'
import type { History } from './scan.ts'

export interface Author {
  /** First 12 hex digits of SHA-256 of the lower-case address: tells people apart without naming the address. */
  readonly identity: string
  /** Name on the newest commit, shown text. */
  readonly name: string
  readonly isBot: boolean
}

export interface People {
  readonly authors: readonly Author[]
  /** Index into `authors` by commit row; -1 for rows outside the history. */
  readonly authorOf: Int32Array
}

/** GitHub marks its apps with `[bot]`; the others are the update and release robots that sign without it. */
const BOT =
  /\[bot\]$|^(dependabot|renovate|greenkeeper|snyk|pre-commit-ci|semantic-release|allcontributors|github-actions|mergify|imgbot|pyup|web-flow)([-. ](bot|preview|app|ci))*$/i

export function peopleOf(history: History, mailmap: Mailmap): People {
  const { commits, rows } = history
  const authors: Author[] = []
  const byKey = new Map<string, number>()
  const byIdentity = new Int32Array(commits.identities.length).fill(-1)
  const authorOf = new Int32Array(commits.count).fill(-1)
  for (const row of rows) {
    const identity = commits.author[row] ?? 0
    if (byIdentity[identity] === -1) {
      const [name = '', email = ''] = (commits.identities[identity] ?? '').split('\0')
      const person = mapped(mailmap, { name, email })
      const key = (person.email || person.name).toLowerCase()
      byIdentity[identity] = byKey.get(key) ?? authors.push(authorFor(key, person.name)) - 1
      byKey.set(key, byIdentity[identity] ?? 0)
    }
    authorOf[row] = byIdentity[identity] ?? -1
  }
  return { authors, authorOf }
}

const authorFor = (key: string, name: string): Author => ({
  identity: createHash('sha256').update(key, 'latin1').digest('hex').slice(0, 12),
  name: displayText(name, MAX_NAME_CHARS),
  isBot: BOT.test(name),
})
