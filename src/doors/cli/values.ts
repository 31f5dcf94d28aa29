// Turns the words of a command line into the values of an input: text as it is, numbers, and JSON from the line, a file or stdin.

import { Buffer } from 'node:buffer'
import { createReadStream, existsSync } from 'node:fs'
import process from 'node:process'
import { PolityError } from '../../kernel/errors.ts'
import { unreadable, usage } from './failure.ts'
import type { CommandShape, Field } from './shape.ts'

/** The hub takes no larger body. */
const INPUT_MAX_BYTES = 1_048_576

/** Where `@FILE` and `-` are read from; `what` names the argument that says so. */
export type ReadText = (source: string, what: string) => Promise<string>

/** The input that the words spell. Throws `usage` naming the argument that is wrong. */
export async function inputOf(
  { positional, options }: Pick<CommandShape, 'positional' | 'options'>,
  args: readonly string[],
  given: Readonly<Record<string, unknown>>,
  read: ReadText = readSource,
): Promise<Record<string, unknown>> {
  const input: Record<string, unknown> = {}
  for (const [index, field] of positional.entries()) {
    const words = field.isList ? args.slice(index) : args.slice(index, index + 1)
    if (words.length > 0)
      input[field.name] = await fieldValue(field, words, field.spelling.toUpperCase(), read)
  }
  for (const field of options) {
    const word = given[optionKey(field)]
    if (word === undefined) continue
    const words = Array.isArray(word) ? word.map(String) : [String(word)]
    input[field.name] =
      field.kind === 'boolean' ? word === true : await fieldValue(field, words, `--${field.spelling}`, read)
  }
  return input
}

/** The name under which commander keeps an option. */
const optionKey = ({ spelling }: Pick<Field, 'spelling'>): string =>
  spelling.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())

async function fieldValue(
  field: Field,
  words: readonly string[],
  what: string,
  read: ReadText,
): Promise<unknown> {
  const values = await Promise.all(words.map((word) => wordValue(field, word, what, read)))
  return field.isList ? values : values[0]
}

async function wordValue(
  { kind, choices, isDocument = false }: Field,
  word: string,
  what: string,
  read: ReadText,
): Promise<unknown> {
  switch (kind) {
    case 'number':
      return numberOf(word, what)
    case 'boolean':
      if (word !== 'true' && word !== 'false') throw usage(`${what} is true or false`)
      return word === 'true'
    case 'json':
      return readJson(word, what, read)
    case 'text':
      if (isDocument && (word === '-' || word.startsWith('@'))) return read(word, what)
      if (isDocument && existsSync(word))
        throw usage(`${what} is a text, not the name of a file: @${word} reads it from there`)
      if (choices && !choices.includes(word)) throw usage(`${what} is one of ${choices.join(', ')}`)
      return word
  }
}

export function numberOf(word: string, what: string): number {
  const value = Number(word)
  if (word.trim() === '' || !Number.isFinite(value)) throw usage(`${what} is a number, not ${word}`)
  return value
}

/** JSON from the word itself, from the file that `@FILE` names, or from stdin for `-`. */
export async function readJson(word: string, what: string, read: ReadText = readSource): Promise<unknown> {
  const isElsewhere = word === '-' || word.startsWith('@')
  const text = isElsewhere ? await read(word, what) : word
  try {
    return JSON.parse(text)
  } catch (error) {
    const how = isElsewhere ? '' : `: text is written '"so"', and @FILE or - read it from elsewhere`
    throw new PolityError(
      'usage',
      `${what} is not JSON (${(error as Error).message.slice(0, 160)})${how}`,
      {},
      error,
    )
  }
}

/** Throws `usage`, with the file as it was given. */
async function readSource(source: string, what: string): Promise<string> {
  if (source === '@') throw usage(`${what}: behind @ stands the name of a file`)
  const stream = source === '-' ? process.stdin : createReadStream(source.slice(1))
  const parts: Buffer[] = []
  let sizeBytes = 0
  try {
    for await (const part of stream) {
      parts.push(part as Buffer)
      sizeBytes += (part as Buffer).length
      if (sizeBytes > INPUT_MAX_BYTES)
        throw usage(
          `${what}: ${source === '-' ? 'stdin' : source} has more than ${INPUT_MAX_BYTES} bytes`,
          'no hub takes a larger input',
        )
    }
  } catch (error) {
    if (error instanceof PolityError) throw error
    throw unreadable(source === '-' ? 'stdin' : source, error, what)
  }
  return Buffer.concat(parts).toString()
}
