// Words become values: text as it is, numbers, and JSON from the line or from elsewhere.

import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Field } from './shape.ts'
import { inputOf, readJson } from './values.ts'

const field = (name: string, rest: Partial<Field> = {}): Field => ({
  name,
  spelling: name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
  kind: 'text',
  isList: false,
  isRequired: true,
  ...rest,
})

describe('inputOf', () => {
  it('takes arguments by place and options by name', async () => {
    const shape = {
      positional: [field('namespace'), field('value', { kind: 'json' })],
      options: [field('ifVersion', { kind: 'number' })],
    }
    const input = await inputOf(shape, ['ns', '{"a":[1]}'], { ifVersion: '3' })
    expect(input).toEqual({ namespace: 'ns', value: { a: [1] }, ifVersion: 3 })
  })

  it('leaves out what was not given', async () => {
    expect(await inputOf({ positional: [field('a')], options: [field('b')] }, [], {})).toEqual({})
  })

  it('gives the rest of the arguments to a list', async () => {
    expect(
      await inputOf(
        { positional: [field('name'), field('paths', { isList: true })], options: [] },
        ['n', 'a', 'b'],
        {},
      ),
    ).toEqual({
      name: 'n',
      paths: ['a', 'b'],
    })
  })

  it('takes a list and a switch from options', async () => {
    const options = [field('scopes', { isList: true }), field('isDeep', { kind: 'boolean' })]
    expect(
      await inputOf({ positional: [], options }, [], { scopes: ['state', 'mirror'], isDeep: true }),
    ).toEqual({
      scopes: ['state', 'mirror'],
      isDeep: true,
    })
  })

  it.each([
    ['a number that is none', field('limit', { kind: 'number' }), 'ten', '--limit is a number, not ten'],
    ['an empty number', field('limit', { kind: 'number' }), '', '--limit is a number'],
    ['an infinite number', field('limit', { kind: 'number' }), '1e999', '--limit is a number'],
    [
      'an unknown choice',
      field('kind', { choices: ['user', 'agent'] }),
      'robot',
      '--kind is one of user, agent',
    ],
    ['bare text for JSON', field('value', { kind: 'json' }), 'hello', `text is written '"so"'`],
    ['a file that is not there', field('value', { kind: 'json' }), '@/no/such/file', 'cannot be read'],
  ])('refuses %s in words', async (_, option, word, sentence) => {
    const work = inputOf({ positional: [], options: [option] }, [], { [option.name]: word })
    await expect(work).rejects.toMatchObject({ code: 'usage', message: expect.stringContaining(sentence) })
  })

  it('brings any JSON through unchanged', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (value) => {
        const text = JSON.stringify(value)
        expect(await readJson(text, 'VALUE')).toEqual(JSON.parse(text))
      }),
    )
  })
})

describe('a file', () => {
  let dir = ''
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'polity-values-'))
  })
  afterAll(() => rmSync(dir, { recursive: true }))

  const file = (content: string) => {
    const path = join(dir, 'input.json')
    writeFileSync(path, content)
    return `@${path}`
  }

  it('is read where @ names it', async () =>
    expect(await readJson(file('{"a":1}'), '--input')).toEqual({ a: 1 }))

  it('is not taken for the text of a document when only its name is given', async () => {
    const path = file('quorum none').slice(1)
    const shape = { positional: [field('policy', { isDocument: true })], options: [] }
    await expect(inputOf(shape, [path], {})).rejects.toMatchObject({
      code: 'usage',
      message: `POLICY is a text, not the name of a file: @${path} reads it from there`,
    })
    expect(await inputOf(shape, [`@${path}`], {})).toEqual({ policy: 'quorum none' })
    expect(await inputOf(shape, ['quorum none'], {})).toEqual({ policy: 'quorum none' })
  })

  it('is refused when it is no JSON, without advice about quotes', async () => {
    const failure = await readJson(file('hello'), '--input').catch((error: Error) => error.message)
    expect(failure).toContain('--input is not JSON')
    expect(failure).not.toContain('@FILE')
  })

  it('is refused beyond what a hub takes, by its name', async () => {
    const large = file(`"${'x'.repeat(1_048_576)}"`)
    await expect(readJson(large, '--input')).rejects.toMatchObject({
      code: 'usage',
      message: `--input: ${large} has more than 1048576 bytes`,
      facts: { hint: 'no hub takes a larger input' },
    })
  })

  it.each([
    ['is not there', () => join(dir, 'nowhere.yaml'), 'there is no file or folder of that name'],
    ['is a folder', () => dir, 'it is a folder'],
    ['lies below a file', () => join(file('{}').slice(1), 'x.yaml'), 'a part of its path is no folder'],
    ['is a link to itself', () => circle(), 'its links lead in a circle'],
  ])('that %s is named as it was given, without the words of the system', async (_, named, why) => {
    const word = `@${named()}`
    const shape = { positional: [], options: [field('yaml', { isDocument: true })] }
    await expect(inputOf(shape, [], { yaml: word })).rejects.toMatchObject({
      code: 'usage',
      message: `--yaml: ${word} cannot be read: ${why}`,
    })
  })

  const circle = (): string => {
    const path = join(dir, 'circle')
    rmSync(path, { force: true })
    symlinkSync(path, path)
    return path
  }

  it.skipIf(process.getuid?.() === 0)('that may not be read says so', async () => {
    const word = file('{}')
    chmodSync(word.slice(1), 0)
    await expect(readJson(word, '--input')).rejects.toMatchObject({
      message: `--input: ${word} cannot be read: permission denied`,
    })
    chmodSync(word.slice(1), 0o600)
  })

  it('of a relative name is looked for in a folder that is told; a name must stand behind @', async () => {
    await expect(readJson('@nowhere.json', 'VALUE')).rejects.toMatchObject({
      message: 'VALUE: @nowhere.json cannot be read: there is no file or folder of that name',
      facts: { path: 'nowhere.json', hint: `it is looked for in ${process.cwd()}` },
    })
    await expect(readJson('@', 'VALUE')).rejects.toMatchObject({
      code: 'usage',
      message: 'VALUE: behind @ stands the name of a file',
    })
  })
})
