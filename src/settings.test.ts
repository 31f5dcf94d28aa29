// Every setting has a reader, a default that its schema takes, and a line in the documentation.

import { cpSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { documentation } from '../scripts/settings-table.ts'
import { openConfiguration } from './kernel/config/configuration.ts'
import { layersOf } from './kernel/config/layers.ts'
import { readSources, type SourceOptions } from './kernel/config/sources.ts'
import { validate } from './kernel/schema/schema.ts'
import * as modules from './module-options.ts'
import { doorOptions, hubOptions } from './options.ts'
import { FOREIGN_KEYS, SETTINGS } from './settings.ts'

const ENVIRONMENTS = join(import.meta.dirname, '../test/fixtures/config/environments')

let dir: string
beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'polity-settings-')))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const read = (more: Partial<SourceOptions> = {}) =>
  readSources({
    table: SETTINGS,
    foreign: FOREIGN_KEYS,
    keys: { data: 'data', environment: 'environment' },
    workingDir: dir,
    variables: {},
    flags: {},
    ...more,
  })

/** Read where the sources are, before there is a configuration. */
const READ_BY_SOURCES = ['data', 'environment']
/** Read by what `polity up` runs. */
const READ_BY_SERVER = ['mirror.atStart', 'config.follow', 'config.watchMs']

/** What a service must be set for, so that its token is looked at. */
const SERVICES = ['shadowScrolls', 'legioCognito', 'triumvirateMonitor', 'swarmEngine'].map((name) => ({
  key: `counterparts.${name}.url`,
  value: 'https://example.org/v1',
  origin: { kind: 'flag', name: 'test' } as const,
  isTrusted: true,
}))

describe('the settings', () => {
  it('each have a reader', async () => {
    const configuration = openConfiguration(SETTINGS, layersOf(SETTINGS, SERVICES))
    const hub = await hubOptions(configuration)
    hub.egressAllow?.current()
    doorOptions(configuration).level()
    await modules.archiveOptions(configuration)
    const { massLossMs, gateway } = modules.componentsOptions(configuration)
    void { massLossMs, ...gateway }
    void modules.meshOptions(configuration).isStrict
    void { ...modules.webhooksOptions(configuration) }
    modules.brokersOptions(configuration)
    await modules.counterpartsOptions(configuration)
    const server = readFileSync(join(import.meta.dirname, 'server.ts'), 'utf8')
    for (const name of ['MIRROR_AT_START', 'CONFIG_FOLLOW', 'CONFIG_WATCH_MS'])
      expect(server).toContain(`settings.${name}`)
    const unread = SETTINGS.settings
      .map(({ key }) => key)
      .filter((key) => ![...READ_BY_SOURCES, ...READ_BY_SERVER].includes(key))
      .filter((key) => !configuration.readKeys().has(key))
    expect(unread).toEqual([])
  })

  it('have defaults that their own schemas take', () => {
    for (const { key, schema, fallback } of SETTINGS.settings)
      if (fallback !== undefined) expect(() => validate(schema, fallback, key), key).not.toThrow()
  })

  it('either have a default or say what happens without one', () => {
    for (const { key, fallback, unset } of SETTINGS.settings)
      expect(fallback !== undefined || unset !== undefined, key).toBe(true)
  })

  it('keep the names of the first releases', () => {
    const names = SETTINGS.settings.flatMap(({ variable, formerly }) => [variable, formerly])
    for (const name of [
      'POLITY_DATA',
      'POLITY_STORE',
      'POLITY_HOST',
      'POLITY_PORT',
      'POLITY_LOG_PUBLIC',
      'POLITY_ML_DSA',
      'POLITY_SIGNER_COMMAND',
      'POLITY_SIGNER_KEY',
      'POLITY_TIMESTAMP_URL',
      'POLITY_TIMESTAMP_CA',
      'POLITY_ARCHIVE_COPIES',
      'POLITY_ARCHIVE_SEARCH',
      'POLITY_COMPONENTS_ALLOW',
    ])
      expect(names).toContain(name)
  })

  it('are documented, and so is nothing else', () => {
    const documented = readFileSync(join(import.meta.dirname, '../docs/configuration.md'), 'utf8')
    const [, table] = /<!-- settings -->\n([\s\S]*?)<!-- \/settings -->/.exec(documented) ?? []
    // Written anew by: scripts/node scripts/settings-table.ts
    expect(table).toBe(`\n${documentation()}\n`)
  })
})

describe('the variables of the seeds', () => {
  it.each([
    ['PROMETHEUS_PORT', '8006', 'http.port', 8006],
    ['MNO_LOG_LEVEL', 'DEBUG', 'log.level', 'debug'],
    ['MNO_LOG_LEVEL', 'WARNING', 'log.level', 'warn'],
    ['AEGIS_LOG_LEVEL', 'CRITICAL', 'log.level', 'error'],
    ['ENABLE_GOVERNANCE_GATE', 'false', 'gate.mode', 'log-only'],
    ['ENABLE_GOVERNANCE_GATE', 'True', 'gate.mode', 'enforce'],
    ['MNO_DATA_DIR', '/var/lib/mno', 'data', '/var/lib/mno'],
    ['INTEGRATION_TIMEOUT', '30', 'counterparts.timeoutMs', 30_000],
    ['INTEGRATION_RETRY_COUNT', '3', 'counterparts.retry.attemptsMax', 4],
    ['INTEGRATION_RETRY_DELAY', '1.5', 'counterparts.retry.baseMs', 1500],
    [
      'SHADOWSCROLLS_ENDPOINT',
      'https://a.example/v1',
      'counterparts.shadowScrolls.url',
      'https://a.example/v1',
    ],
  ])('%s=%s means %s', (variable, text, key, value) => {
    const { layers, warnings } = read({ variables: { [variable]: text } })
    expect(layers.get(key)?.value).toBe(value)
    expect(warnings).toEqual([`${variable} is taken for ${key}`])
  })

  it.each([
    ['INTEGRATION_TIMEOUT', 'soon'],
    ['INTEGRATION_RETRY_COUNT', '-1'],
    ['SHADOWSCROLLS_ENDPOINT', 'ftp://a.example'],
    ['SHADOWSCROLLS_ENDPOINT', 'https://user:secret@a.example'],
    ['MNO_LOG_LEVEL', 'LOUD'],
    ['ENABLE_GOVERNANCE_GATE', 'perhaps'],
  ])('%s=%s is refused', (variable, text) => {
    expect(() => read({ variables: { [variable]: text } })).toThrow(variable)
  })
})

describe('the environment files of the seeds', () => {
  const write = (text: string) => {
    writeFileSync(join(dir, 'polity.yaml'), text)
    cpSync(ENVIRONMENTS, join(dir, 'config/environments'), { recursive: true })
    return join(dir, 'polity.yaml')
  }

  it.each(['development', 'staging', 'production'])(
    '%s is taken as it is, and says what nothing reads',
    (name) => {
      const file = write(`environment: ${name}`)
      for (const { warnings } of [read(), read({ file })]) {
        expect(warnings.length).toBeGreaterThan(3)
        for (const warning of warnings) expect(warning).toMatch(/\.json:\d+: \w+\.[\w.]+ is (known|taken)/)
      }
    },
  )

  it('turn services on only where the file was named', () => {
    const file = write('environment: production')
    const lines = readFileSync(join(ENVIRONMENTS, 'production.json'), 'utf8').split('\n')
    const key = 'counterparts.shadowScrolls.url'
    expect(read().layers.get(key)).toBeUndefined()
    expect(read().warnings.join('\n')).toContain(
      'shadowscrolls.endpoint is taken only where you name the file',
    )
    expect(read({ file }).layers.get(key)).toMatchObject({
      value: 'https://api.shadowscrolls.example/v1',
      origin: { kind: 'file', line: lines.findIndex((line) => line.includes('api.shadowscrolls')) + 1 },
    })
  })
})
