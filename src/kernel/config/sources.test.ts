// Sources in rising order, each with its origin; and everything that is refused, with its place.

import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { asPolityError, PolityError } from '../errors.ts'
import { originText } from './layers.ts'
import { readSources, type SourceOptions } from './sources.ts'
import { KEYS, TABLE } from './table.fixture.ts'

let dir: string
beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'polity-config-')))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const write = (name: string, text: string) => {
  const path = join(dir, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
  return path
}

const read = (more: Partial<SourceOptions> = {}, instead?: { ownText: string | undefined }) =>
  readSources({ table: TABLE, keys: KEYS, workingDir: dir, variables: {}, flags: {}, ...more }, instead)

/** What is set for a key, and by whom. */
const said = (key: string, more: Partial<SourceOptions> = {}) => {
  const at = read(more).layers.get(key)
  return at === undefined ? undefined : [at.value, originText(at.origin).replace(`${dir}/`, '')]
}

const refusal = (
  more: Partial<SourceOptions> = {},
  instead?: { ownText: string | undefined },
): PolityError => {
  try {
    read(more, instead)
  } catch (error) {
    return asPolityError(error)
  }
  throw new Error('it was taken')
}

describe('what is in force', () => {
  it('is the default, then the file, the own file, the overlay, the variable, the flag', () => {
    const variables: Record<string, string> = {}
    expect(said('http.port')).toEqual([7070, 'default'])
    write('polity.yaml', 'environment: staging\nhttp:\n  port: 1\n')
    write('config/environments/staging.json', '{}')
    expect(said('http.port', { variables })).toEqual([1, 'polity.yaml:3'])
    write('.polity/polity.yaml', '# of the hub itself\n\nhttp: { port: 2 }')
    expect(said('http.port', { variables })).toEqual([2, '.polity/polity.yaml:3'])
    write('config/environments/staging.json', '{\n  "http": {\n    "port": 3\n  }\n}')
    expect(said('http.port', { variables })).toEqual([3, 'config/environments/staging.json:3'])
    variables.PROMETHEUS_PORT = '4'
    expect(said('http.port', { variables })).toEqual([4, 'PROMETHEUS_PORT'])
    variables.POLITY_PORT = '5'
    expect(said('http.port', { variables })).toEqual([5, 'POLITY_PORT'])
    variables.POLITY_HTTP_PORT = '6'
    expect(said('http.port', { variables })).toEqual([6, 'POLITY_HTTP_PORT'])
    expect(said('http.port', { variables, flags: { port: 7, other: 8 } })).toEqual([7, '--port'])
  })

  it('names its files in rising order, and the one that the hub writes', () => {
    write('polity.yaml', 'environment: staging\ndata: here')
    write('config/environments/staging.yaml', 'log: { level: debug }')
    write('here/polity.yaml', '')
    expect(read()).toMatchObject({
      files: ['polity.yaml', 'here/polity.yaml', 'config/environments/staging.yaml'].map((name) =>
        join(dir, name),
      ),
      ownFile: join(dir, 'here/polity.yaml'),
      ownKeys: [],
    })
  })

  it('comes from the file that was named, and from nowhere else', () => {
    write('polity.yaml', 'log: { level: debug }')
    write('etc/mine.yaml', 'http: { port: 8 }')
    expect(said('log.level', { file: 'etc/mine.yaml' })).toEqual(['warn', 'default'])
    expect(said('http.port', { file: 'etc/mine.yaml' })).toEqual([8, 'etc/mine.yaml:1'])
    expect(refusal({ file: 'etc/nowhere.yaml' }).message).toContain('etc/nowhere.yaml cannot be read')
  })

  it('does not change with an empty file, an empty group or an empty variable', () => {
    for (const text of ['', '# nothing', '---\n', 'http:\n', 'null']) {
      write('polity.yaml', text)
      expect(said('http.port', { variables: { POLITY_HTTP_PORT: '' }, flags: { port: '' } })).toEqual([
        7070,
        'default',
      ])
    }
  })

  it('would be what another own file says, without the file', () => {
    write('.polity/polity.yaml', 'http: { port: 2 }')
    expect(read({}, { ownText: 'http: { port: 3 }' }).layers.get('http.port')?.value).toBe(3)
    expect(read({}, { ownText: undefined }).layers.get('http.port')?.value).toBe(7070)
    expect(read().layers.get('http.port')?.value).toBe(2)
  })

  it.each([
    ['http.port', 'POLITY_HTTP_PORT', '0', 0],
    ['signer.mlDsa', 'POLITY_SIGNER_ML_DSA', 'TRUE', true],
    ['signer.mlDsa', 'POLITY_SIGNER_ML_DSA', '0', false],
    ['egress.allow', 'POLITY_EGRESS_ALLOW', '10.0.0.0/8, inner.example ,', ['10.0.0.0/8', 'inner.example']],
    ['egress.allow', 'POLITY_EGRESS_ALLOW', '["a,b"]', ['a,b']],
    ['signer.command', 'POLITY_SIGNER_COMMAND', '["/bin/sign", "-k"]', ['/bin/sign', '-k']],
    ['log.level', 'MNO_LOG_LEVEL', 'DEBUG', 'debug'],
    ['archive.token', 'POLITY_ARCHIVE_TOKEN', 'env:TOKEN', 'env:TOKEN'],
  ])('%s is said by %s=%s', (key, name, text, value) => {
    expect(said(key, { variables: { [name]: text } })).toEqual([value, name])
  })

  it('tells that a variable of another program was taken', () => {
    expect(read({ variables: { PROMETHEUS_PORT: '8006' } }).warnings).toEqual([
      'PROMETHEUS_PORT is taken for http.port',
    ])
  })

  it('knows the keys of another program in an overlay, and says that nothing reads them', () => {
    write('polity.yaml', 'environment: production')
    write(
      'config/environments/production.json',
      '{"cognito": {"endpoint": "x", "deep": {"port": 9, "b": [1]}}}',
    )
    const foreign = [
      { path: 'cognito.endpoint' },
      { path: 'cognito.deep.b' },
      { path: 'cognito.deep.port', key: 'http.port' },
    ]
    const { warnings, layers } = read({ foreign })
    expect(warnings.map((each) => each.replace(`${dir}/`, ''))).toEqual([
      'config/environments/production.json:1: cognito.endpoint is known, but nothing here reads it',
      'config/environments/production.json:1: cognito.deep.b is known, but nothing here reads it',
    ])
    expect(layers.get('http.port')?.value).toBe(9)
    write('config/environments/production.json', '{"cognito": {"endpiont": "x"}}')
    expect(refusal({ foreign }).message).toContain('cognito.endpiont is not a setting')
    write('polity.yaml', 'cognito: { endpoint: x }')
    expect(refusal({ foreign }).message).toContain('cognito is not a setting')
  })
})

describe('a file is refused', () => {
  it.each([
    ['http:\n  prot: 1', 2, 3, 'http.prot is not a setting: did you mean http.port?'],
    ['loglevel: debug', 1, 1, 'loglevel is not a setting: did you mean log.level?'],
    ['http.port: 1', 1, 1, 'http.port is not a setting with dots in its key: write http: { port: … }'],
    ['a: 1\nhttp: 7', 1, 1, 'a is not a setting'],
    ['http: 7', 1, 1, 'http must be a mapping'],
    ['- http', 1, 1, 'the file must be a mapping'],
    ['"": 1', 1, 1, ' is not a setting'],
    ['__proto__: { port: 1 }', 1, 1, '__proto__ is not a setting'],
    ['constructor: 1', 1, 1, 'constructor is not a setting'],
    ['http:\n  port: 1\n  port: 2', 3, 3, 'twice'],
    ['http: {port: 1', 1, 0, ''],
    ['http: !!js/function "x"', 1, 7, 'tag'],
    ['a: &a [1]\n<<: *a', 2, 0, ''],
    ['http: { port: 1 }\n---\nhttp: { port: 2 }', 2, 0, ''],
  ])('%j at %i:%i', (text, line, column, sentence) => {
    const path = write('polity.yaml', text)
    const { code, message, facts } = refusal()
    expect(code).toBe('config.invalid')
    expect(message).toContain(`${path}:${line}:${column === 0 ? '' : `${column}:`}`)
    expect(message).toContain(sentence)
    expect(facts.violations).toBeInstanceOf(Array)
  })

  it.each([
    ['http: { port: "1" }', 'http.port'],
    ['http: { port: 65536 }', 'http.port'],
    ['http: { port: 1.5 }', 'http.port'],
    ['http: { port: null }', 'http.port'],
    ['http: { port: [1] }', 'http.port'],
    ['log: { level: loud }', 'log.level'],
    ['data: ""', 'data'],
    ['data: "a\\0b"', 'data'],
    ['data: "a\\x1bb"', 'data'],
    ['data: "\\uD800"', ''],
    ['signer: { mlDsa: yes }', 'signer.mlDsa'],
  ])('for the value in %s', (text, key) => {
    write('polity.yaml', text)
    expect(refusal()).toMatchObject({ code: 'config.invalid' })
    expect(refusal().message).toMatch(new RegExp(`polity\\.yaml:1.*${key}`))
  })

  it('with every mistake at once', () => {
    write('polity.yaml', 'a: 1\nb: 2\nhttp:\n  c: 3')
    expect((refusal().facts.violations as { line: number }[]).map(({ line }) => line)).toEqual([1, 2, 4])
  })

  it('for a secret in plain text, and never repeats it', () => {
    for (const text of [
      'archive: { token: hunter2hunter2 }',
      'store: postgres://polity:hunter2hunter2@db/polity',
      'store: postgres://db/polity?password=hunter2hunter2',
    ]) {
      write('polity.yaml', text)
      const error = refusal()
      expect(error.code).toBe('secret.plaintext')
      expect(`${error.message}${JSON.stringify(error.facts)}`).not.toContain('hunter2')
    }
  })

  it('for a guarded key that nobody vouches for', () => {
    const path = write('polity.yaml', 'signer: { command: [/bin/evil] }')
    expect(refusal()).toMatchObject({ code: 'config.guarded', facts: { key: 'signer.command' } })
    expect(said('signer.command', { file: path })).toEqual([['/bin/evil'], 'polity.yaml:1'])
    rmSync(path)
    write('.polity/polity.yaml', 'egress: { allow: [127.0.0.1] }')
    expect(refusal().code).toBe('config.guarded')
    expect(refusal({}, { ownText: 'egress: { allow: [] }' }).code).toBe('config.guarded')
  })

  it('for standing where somebody’s own file is: a proposal is not what they named', () => {
    const file = write('here/polity.yaml', 'http: { port: 1 }')
    const flags = { data: join(dir, 'here') }
    expect(read({ file, flags }).layers.get('http.port')?.value).toBe(1)
    for (const ownText of ['egress: { allow: [10.0.0.0/8] }', 'nonsense: 1', '', undefined])
      expect(refusal({ file, flags }, { ownText })).toMatchObject({
        code: 'config.invalid',
        message: expect.stringContaining('edit it'),
      })
    expect(refusal({ workingDir: join(dir, 'here'), flags }, { ownText: '' }).code).toBe('config.invalid')
  })

  it('for an overlay that nobody vouches for, and taken where its file was named', () => {
    const path = write('polity.yaml', 'environment: staging')
    write('config/environments/staging.json', '{"egress": {"allow": ["127.0.0.1"]}}')
    expect(refusal().code).toBe('config.guarded')
    expect(said('egress.allow', { file: path })?.[0]).toEqual(['127.0.0.1'])
  })

  it('for deciding what was decided before it was found', () => {
    write('.polity/polity.yaml', 'data: elsewhere')
    expect(refusal().message).toContain('data is decided before this file is found')
    rmSync(join(dir, '.polity'), { recursive: true })
    write('polity.yaml', 'environment: staging')
    write('config/environments/staging.json', '{"environment": "production"}')
    expect(refusal().message).toContain('an overlay does not choose the environment')
  })

  it('for an environment without a file, or one that leads elsewhere', () => {
    for (const environment of ['nowhere', '../../etc', 'a/b', 'UP', '']) {
      write('polity.yaml', `environment: "${environment}"`)
      expect(refusal().code).toBe('config.invalid')
    }
  })

  it('when it is large, deep or no text at all', () => {
    for (const text of [
      `data: ${'x'.repeat(300_000)}`,
      `${'['.repeat(50_000)}${']'.repeat(50_000)}`,
      '{"a":'.repeat(5_000),
      '\u0000\u0001\u0002',
    ]) {
      write('polity.yaml', text)
      expect(refusal().code).toBe('config.invalid')
    }
    rmSync(join(dir, 'polity.yaml'))
    mkdirSync(join(dir, 'polity.yaml'))
    expect(refusal().code).toBe('config.invalid')
  })

  it('or taken: there is nothing between', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.json(), yamlText), (text) => {
        write('polity.yaml', text)
        try {
          expect(read().layers.get('http.port')?.value).toBeTypeOf('number')
        } catch (error) {
          if (!(error instanceof PolityError)) throw error
          expect(['config.invalid', 'config.guarded', 'secret.plaintext']).toContain(error.code)
        }
      }),
      { numRuns: 300 },
    )
  })
})

/** Close to what people write. */
const yamlText = fc
  .dictionary(
    fc.constantFrom('http', 'log', 'signer', 'data', 'archive', 'store', '__proto__', 'toString'),
    fc.oneof(
      fc.jsonValue(),
      fc.dictionary(fc.constantFrom('port', 'level', 'command', 'token'), fc.jsonValue()),
    ),
  )
  .map((value) => JSON.stringify(value, null, 1))

describe('a variable or a flag is refused', () => {
  it.each([
    ['POLITY_HTTP_PORT', 'http', 'a number'],
    ['POLITY_HTTP_PORT', '1e3', 'a number'],
    ['POLITY_HTTP_PORT', '99999', 'POLITY_HTTP_PORT: http.port'],
    ['POLITY_SIGNER_ML_DSA', 'yes', '1 or 0'],
    ['POLITY_SIGNER_COMMAND', 'sign it', 'JSON'],
    ['POLITY_EGRESS_ALLOW', '[1', 'JSON'],
    ['POLITY_EGRESS_ALLOW', '[1]', 'egress.allow'],
    ['POLITY_LOG_LEVEL', 'x'.repeat(20_000), 'at most'],
    ['POLITY_DATA', 'a\u0007b', 'characters'],
  ])('%s=%j', (name, text, sentence) => {
    const error = refusal({ variables: { [name]: text } })
    expect(error.code).toBe('config.invalid')
    expect(error.message).toContain(sentence)
    expect(error.message).toContain(name)
  })

  it('with a secret in it', () => {
    expect(refusal({ variables: { POLITY_ARCHIVE_TOKEN: 'hunter2' } }).code).toBe('secret.plaintext')
    expect(refusal({ flags: { port: 99_999 } }).message).toContain('--port: http.port')
  })

  it('and nothing else of the environment is looked at', () => {
    const variables = { PATH: '/bin', POLITY_UNKNOWN: 'x', polity_http_port: '1', HTTP_PORT: '2' }
    expect(read({ variables }).layers.get('http.port')?.value).toBe(7070)
  })
})
