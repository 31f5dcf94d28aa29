// Help of every command there is: within its columns, with words for whatever can be given, and choices once.

import process from 'node:process'
import type { Command } from 'commander'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadContracts } from './contracts.ts'
import { buildProgram } from './program.ts'
import { shapesOf } from './shape.ts'

const COLUMNS = 80

/** By its path, `gate mode`, with what its help says. */
type Helped = readonly [path: string, command: Command, help: string]

const terminal = Object.getOwnPropertyDescriptor(process.stdout, 'columns')
let all: readonly Helped[] = []

beforeAll(async () => {
  Object.defineProperty(process.stdout, 'columns', { value: COLUMNS, configurable: true, writable: true })
  const words = (await built('')).commands.map((command) => command.name())
  const programs = await Promise.all(words.map(async (word) => commandAt(await built(word), word)))
  all = programs.flatMap((command) => below(command, []))
})
afterAll(() => {
  if (terminal === undefined) Reflect.deleteProperty(process.stdout, 'columns')
  else Object.defineProperty(process.stdout, 'columns', terminal)
})

const built = (word: string) => buildProgram([word], '0.0.0', async () => undefined)

function commandAt(program: Command, word: string): Command {
  const found = program.commands.find((command) => command.name() === word)
  if (found === undefined) throw new TypeError(`no command ${word}`)
  return found
}

function below(command: Command, above: readonly string[]): Helped[] {
  const path = [...above, command.name()]
  return [
    [path.join(' '), command, command.helpInformation()],
    ...command.commands.flatMap((each) => below(each, path)),
  ]
}

/** Without line ends and indents. */
const flat = (help: string): string => help.replaceAll(/\s+/g, ' ')

function helpOf(words: string): string {
  const found = all.find(([path]) => path === words)
  if (found === undefined) throw new TypeError(`no command ${words}`)
  return found[2]
}

/** Choices of whatever is given on the line, by the command that takes them. */
async function choicesOfAll(): Promise<readonly (readonly [path: string, choices: readonly string[]])[]> {
  const shapes = (await loadContracts()).flatMap(shapesOf)
  return shapes.flatMap(({ path, positional, options }) =>
    [...positional, ...options].flatMap(({ choices }) =>
      choices === undefined ? [] : [[path.join(' '), choices] as const],
    ),
  )
}

describe('help', () => {
  it('is there for every command, within its columns', () => {
    expect(all.length).toBeGreaterThan(200)
    for (const [path, , help] of all)
      for (const line of help.split('\n'))
        expect(line.length, `${path}: ${line}`).toBeLessThanOrEqual(COLUMNS)
  })

  it('goes on in the next line where the usage is long, and loses none of it', () => {
    const help = helpOf('brokers source-put')
    expect(help).toMatch(/^Usage: polity brokers source-put \[options\] .*\n {7}<principal>\n/)
    expect(flat(help)).toContain('<name> <broker> <stream> <prefix> <principal>')
    expect(helpOf('state put')).toMatch(/^Usage: polity state put \[options\] <namespace> <key> <value>\n\n/)
  })

  it('has words for each argument and option, also of commands that are written by hand', () => {
    for (const [path, { options, registeredArguments }] of all) {
      for (const { flags, description } of options) expect(description, `${path} ${flags}`).toMatch(/\w/)
      for (const each of registeredArguments) expect(each.description, `${path} ${each.name()}`).toMatch(/\w/)
    }
  })

  /** How something is read, or that it must be given, does not say what it is. */
  it('has words for each field of a definition', async () => {
    const bare = (await loadContracts())
      .flatMap(shapesOf)
      .flatMap(({ path, positional, options }) =>
        [...positional, ...options].flatMap(({ description = '', spelling }) =>
          description === '' ? [`${path.join(' ')} ${spelling}`] : [],
        ),
      )
    expect(bare).toEqual([])
  })
})

describe('choices', () => {
  it('are each in the help of their command', async () => {
    const found = await choicesOfAll()
    expect(found.length).toBeGreaterThan(20)
    for (const [path, choices] of found)
      for (const choice of choices) expect(flat(helpOf(path)), path).toMatch(new RegExp(`\\b${choice}\\b`))
  })

  it('are listed where the words do not name them, and only there', async () => {
    expect(flat(helpOf('components list'))).toContain('of this health (choices: "passing", "warning",')
    expect(flat(helpOf('outside report'))).toContain('what became of the deed; one of done, failed')
    // Some of them in words are not enough.
    expect(flat(helpOf('mesh publish'))).toContain(
      'default normal, or what its route says (choices: "urgent"',
    )
  })

  it.each([
    ['kill', 'pause (default), cancel (and undo), or leave', 'choices:'],
    ['schedules put', 'none, the last one, or all (at most 100); default none', 'choices:'],
    ['outside check', 'user, agent, service or component', '"user"'],
    ['trust report', 'positive or negative', 'one of positive'],
    ['webhooks source-put', 'standard, cloudevents, github or hmac', 'one of standard'],
  ])('are said once where they stand in words: %s', (words, said, again) => {
    const help = flat(helpOf(words))
    expect(help).toContain(said)
    expect(help).not.toContain(again)
  })

  it('are refused on the line as before, with all of them', async () => {
    const program = await built('kill')
    const wrong = program.parseAsync(['kill', 'agent:a', 'why', '--runs', 'burn'], { from: 'user' })
    await expect(wrong).rejects.toThrow('Allowed choices are pause, cancel, leave')
  })
})
