// The mailmap of a repository (gitmailmap(5)): which committed names and addresses are one person.

import { MAX_MAILMAP_LINES } from '../limits.ts'

export interface Person {
  readonly name: string
  readonly email: string
}

interface Rule {
  /** For the address under any name. */
  simple: Partial<Person>
  /** For the address under one name, lower case. */
  readonly byName: Map<string, Partial<Person>>
}

/** Lower-case committed address -> what it stands for. Later lines win, as in git. */
export type Mailmap = ReadonlyMap<string, Rule>

/** @param text bytes as latin1; lines that are no mapping are passed over, as git does */
export function parseMailmap(text: string): Mailmap {
  const rules = new Map<string, Rule>()
  for (const line of text.split('\n', MAX_MAILMAP_LINES)) addLine(rules, line)
  return rules
}

/** The person behind a committed name and address. */
export function mapped(mailmap: Mailmap, committed: Person): Person {
  const rule = mailmap.get(lower(committed.email))
  if (!rule) return committed
  const { name, email } = rule.byName.get(lower(committed.name)) ?? rule.simple
  return { name: name ?? committed.name, email: email ?? committed.email }
}

function addLine(rules: Map<string, Rule>, line: string): void {
  if (line.startsWith('#')) return
  const first = takeAddress(line, 0)
  if (!first || first.email === '') return
  const second = takeAddress(line, first.end)
  const committed = second ?? first
  const target: Partial<Person> = {
    ...(first.name === '' ? {} : { name: first.name }),
    ...(second ? { email: first.email } : {}),
  }
  const key = lower(committed.email)
  const rule = rules.get(key) ?? { simple: {}, byName: new Map() }
  rules.set(key, rule)
  if (second && second.name !== '')
    rule.byName.set(lower(second.name), { ...rule.byName.get(lower(second.name)), ...target })
  else rule.simple = { ...rule.simple, ...target }
}

function takeAddress(line: string, from: number): (Person & { end: number }) | null {
  const open = line.indexOf('<', from)
  const close = line.indexOf('>', open + 1)
  if (open < 0 || close < 0) return null
  return { name: line.slice(from, open).trim(), email: line.slice(open + 1, close).trim(), end: close + 1 }
}

/** ASCII only: git compares bytes. */
const lower = (text: string) => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
