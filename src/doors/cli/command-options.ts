// Options that several commands share, and the values that they take.

import type { CommandOption } from './command.ts'
import { usage } from './failure.ts'
import { numberOf } from './values.ts'

export const PORT_MAX = 65_535
export const LIMIT_MAX = 10_000
export const WATCH_MAX_SECONDS = 3600
export const DAYS_MAX = 366

export function whole(what: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const value = numberOf(text, what)
    if (!Number.isInteger(value) || value < min || value > max)
      throw usage(`${what} is a whole number from ${min} to ${max}`)
    return value
  }
}

const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,3})?Z$/

export function time(what: string): (text: string) => string {
  return (text) => {
    if (!TIME.test(text) || Number.isNaN(Date.parse(text)))
      throw usage(`${what} must be a time in UTC such as 2026-01-31T00:00:00Z`)
    return text
  }
}

export const ANCHOR: CommandOption = {
  flags: '--anchor <path>',
  help: 'where the anchor is, if not at its default place',
}
export const VKEY: CommandOption = {
  flags: '--vkey <key>',
  help: 'the verifier key that you trust; default: the one beside the log',
}
export const KEYS: CommandOption = {
  flags: '--keys <dir>',
  help: "folder with the hub's *.key files; default: those of the backup",
}
export const TIMESTAMP_CA: CommandOption = {
  flags: '--timestamp-ca <file>',
  help: 'certificates (PEM) of the timestamping authority that you trust',
  env: 'POLITY_TIMESTAMP_CA',
}
export const OUT: CommandOption = { flags: '--out <file>', help: 'write to this file instead of stdout' }
export const RULES: CommandOption = {
  flags: '--rules <dir>',
  help: 'folder with the rules (default: those that come along)',
}
export const INPUT: CommandOption = {
  flags: '--input <json>',
  help: 'JSON, @FILE or - for stdin; default: {}',
}

export const FROM: CommandOption = {
  flags: '--from <time>',
  help: 'from this time on, such as 2026-01-31T00:00:00Z',
  parse: time('--from'),
}
export const TO: CommandOption = { flags: '--to <time>', help: 'before this time', parse: time('--to') }
export const HISTORY = {
  name: '[history]',
  help: 'data folder or exported folder; default: the running hub, or the folder of --data',
}
