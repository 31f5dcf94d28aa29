// A bundle is known by its content, and a bad one is refused with the place of the fault.

import { describe, expect, it } from 'vitest'
import { PolityError } from '../errors.ts'
import { bundleBytes, digestOf, loadBundle, MAX_POLICIES, STARTER_DIR } from './bundle.ts'
import { MAX_FILE_BYTES } from './bundle-files.ts'

const SCHEMA = { name: 'a.cedarschema', text: 'namespace Polity { entity User; entity Resource; }' }
const load = (...texts: string[]) =>
  loadBundle([SCHEMA, ...texts.map((text, index) => ({ name: `${index}.cedar`, text }))])

async function refusal(promise: Promise<unknown>): Promise<PolityError> {
  const thrown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!(thrown instanceof PolityError)) throw new Error('was not refused', { cause: thrown })
  expect(thrown.code).toBe('gate.bundle.invalid')
  return thrown
}

describe('loadBundle', () => {
  it('names policies by @id, whatever their file and order', async () => {
    const a = '@id("a") permit (principal, action, resource);'
    const b = '@id("b") @obligation("owner:1") forbid (principal, action, resource);'
    const one = await load(`// first\n${a}\n\n${b}`)
    const two = await load(b, a)
    expect([...one.policies.keys()]).toEqual(['a', 'b'])
    expect(one.policies.get('b')).toMatchObject({ text: b, effect: 'forbid', obligation: 'owner:1' })
    expect(two.digest).toBe(one.digest)
  })

  it('is addressed by the canonical bytes of what is in it, shadow policies apart', async () => {
    const bundle = await load(
      '@id("a") permit (principal, action, resource);',
      '@id("b") @state("shadow") forbid (principal, action, resource);',
    )
    const bytes = bundleBytes(bundle)
    expect(digestOf(bytes)).toBe(bundle.digest)
    expect(JSON.parse(new TextDecoder().decode(bytes))).toEqual({
      policies: { a: '@id("a") permit (principal, action, resource);' },
      schema: SCHEMA.text,
      shadow: { b: '@id("b") @state("shadow") forbid (principal, action, resource);' },
    })
    const other = await load('@id("a") forbid (principal, action, resource);')
    expect(other.digest).not.toBe(bundle.digest)
  })

  it('ships a starter bundle in which every policy is described', async () => {
    const starter = await loadBundle(STARTER_DIR)
    expect([...starter.policies.values()].every(({ description }) => description !== undefined)).toBe(true)
  })

  it('places what was read before in the file in which it stands now', async () => {
    const text = '@id("a") permit (principal, action, resource);'
    const at = async (...files: { name: string; text: string }[]) =>
      (await loadBundle([SCHEMA, ...files])).policies.get('a')?.place
    const first = { file: '0.cedar', line: 1, column: 1 }
    expect(await at({ name: '0.cedar', text })).toEqual(first)
    expect(await at({ name: '0.cedar', text })).toEqual(first)
    expect(await at({ name: '1.cedar', text })).toEqual({ ...first, file: '1.cedar' })
    expect(await at({ name: '0.cedar', text: `\n ${text}` })).toEqual({ ...first, line: 2, column: 2 })
  })

  it('holds no policy at all when none is given', async () => {
    expect((await load()).policies.size).toBe(0)
  })
})

describe('a bad bundle is refused', () => {
  const permit = 'permit (principal, action, resource);'
  it.each([
    ['syntax', `@id("a") ${permit}\n// é\n§ forbid`, 3, 1, 'invalid token'],
    ['no @id', `\n  ${permit}`, 2, 3, 'no @id'],
    ['empty @id', `@id("") ${permit}`, 1, 1, 'no @id'],
    ['an @id without value', `@id ${permit}`, 1, 1, 'no @id'],
    ['an @id that is no id', `@id("__proto__") ${permit}`, 1, 1, '@id is made of'],
    [
      'the same @id twice',
      `@id("a") ${permit} @id("a") forbid (principal, action, resource);`,
      1,
      48,
      'already defined',
    ],
    [
      'another letter case of an @id',
      `@id("Abc") ${permit}\n@id("abc") ${permit}`,
      2,
      1,
      'as Abc at 0.cedar:1:1',
    ],
    ['an @id in letters that look alike', `@id("а") ${permit}`, 1, 1, '@id is made of'],
    ['an @id that is kept', `\n @id("polity.mine") ${permit}`, 2, 2, 'kept for rules that are built in'],
    ['whatever its letter case', `@id("Polity.halted") ${permit}`, 1, 1, 'kept for rules that are built in'],
    ['two of one annotation', `@id("a") @id("b") ${permit}`, 1, 10, 'duplicate annotation'],
    ['an unknown risk', '@id("a") @risk("huge") forbid (principal, action, resource);', 1, 1, '@risk of a'],
    ['a risk without a word', '@id("a") @risk forbid (principal, action, resource);', 1, 1, '@risk of a'],
    ['a risk on a permit', `@id("a") @risk("high") ${permit}`, 1, 1, 'classifies by @risk'],
    ['an unknown severity', `@id("a") @severity("meh") ${permit}`, 1, 1, '@severity of a'],
    ['a byte order mark', `\ufeff@id("a") ${permit}`, 1, 1, 'byte order mark'],
    [
      'something wrong behind carriage returns',
      `@id("a")\r\n${permit}\r\n\t@id("b") @state("x")\r\n${permit}`,
      3,
      2,
      '@state of b',
    ],
    [
      'what a comment said before',
      `// @state("x") @id("a") ${permit}\n  @state("x") @id("a") ${permit}`,
      2,
      3,
      '@state of a',
    ],
    ['what follows wide letters', `@id("é") ${permit}`, 1, 1, '@id is made of'],
    ['an identical policy', `@id("a") ${permit}\n@id("a") ${permit}`, 2, 1, 'already defined'],
    ['a misspelt annotation', `@id("a") @inviolabel("true") ${permit}`, 1, 1, 'unknown annotation'],
    [
      'a flag that is neither',
      `@id("a") @state("yes") ${permit}`,
      1,
      1,
      'must be one of draft, shadow, enforced',
    ],
    ['an obligation on a permit', `@id("a") @obligation("owner:1") ${permit}`, 1, 1, 'only a forbid'],
    ['an inviolable permit', `@id("a") @inviolable("true") ${permit}`, 1, 1, 'only a forbid'],
    [
      'an empty obligation',
      '@id("a") @obligation("") forbid (principal, action, resource);',
      1,
      1,
      '@obligation',
    ],
    ['a template', '@id("a") permit (principal == ?principal, action, resource);', 1, 1, 'templates'],
    [
      'a giant policy',
      `@id("a") permit (principal, action, resource) when { "${'x'.repeat(20_000)}" == "" };`,
      1,
      1,
      'longer',
    ],
  ])('%s', async (_, text, line, column, message) => {
    const error = await refusal(load(text))
    expect(error.facts).toMatchObject({ file: '0.cedar', line, column })
    expect(error.message).toContain(message)
  })

  it('names both places of a duplicate across files', async () => {
    const error = await refusal(load(`@id("a") ${permit}`, `\n@id("a") ${permit}`))
    expect(error.message).toContain('1.cedar:2:1')
    expect(error.message).toContain('0.cedar:1:1')
  })

  it('a schema that does not parse', async () => {
    const error = await refusal(
      loadBundle([{ name: 's.cedarschema', text: 'namespace Polity {\n  entity X in [ ;\n}' }]),
    )
    expect(error.facts).toMatchObject({ file: 's.cedarschema', line: 2, column: 17 })
  })

  it('no schema, two schemas, another kind of file', async () => {
    expect((await refusal(loadBundle([]))).message).toContain('no .cedarschema')
    expect((await refusal(loadBundle([SCHEMA, { ...SCHEMA, name: 'b.cedarschema' }]))).message).toContain(
      'second',
    )
    expect((await refusal(loadBundle([SCHEMA, { name: 'x.yaml', text: '' }]))).message).toContain('neither')
  })

  it('too large, too many, not Unicode, no such folder', async () => {
    expect((await refusal(load(' '.repeat(MAX_FILE_BYTES + 1)))).message).toContain('larger')
    expect((await refusal(load('// \ud800'))).message).toContain('surrogate')
    expect((await refusal(loadBundle('/nowhere/at/all'))).message).toContain('cannot be read')
    const many = Array.from({ length: MAX_POLICIES + 1 }, (_, index) => `@id("p${index}") ${permit}`).join(
      '\n',
    )
    expect((await refusal(load(many))).message).toContain(`more than ${MAX_POLICIES}`)
  })

  it('so deeply nested that the policy engine breaks, and the next bundle loads', async () => {
    const deep = `@id("a") permit (principal, action, resource) when { ${'('.repeat(4000)}true${')'.repeat(4000)} };`
    expect((await refusal(load(deep))).message).toContain('nested')
    expect((await load(`@id("a") ${permit}`)).policies.size).toBe(1)
  })
})
