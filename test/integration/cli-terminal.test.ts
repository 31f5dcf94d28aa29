// Commands on a terminal: colours, widths and questions.

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Finished, openSandbox, POLITY, type RunningHub, type Sandbox } from './cli-process.ts'

let sandbox: Sandbox
let hub: RunningHub

beforeAll(async () => {
  sandbox = openSandbox()
  hub = await sandbox.up(['--no-mirror'])
})
afterAll(() => sandbox.remove())

const polity = (args: readonly string[]): Promise<Finished> =>
  sandbox.polity([...args, '--data', hub.dataDir])

const STATEMENT = JSON.stringify({
  predicateType: 'https://example.org/seen/v1',
  subjects: [{ name: 'a', digest: { sha256: '00'.repeat(32) } }],
  predicate: {},
})

describe('on a terminal', () => {
  const PTY = '/usr/bin/script'
  const hasPty = existsSync(PTY)
  if (!hasPty) console.warn(`\n*** no ${PTY} here: how the CLI looks on a terminal is NOT tested ***\n`)

  const onTerminal = (line: string, env: NodeJS.ProcessEnv, input = '', columns = 80) => {
    const command = `stty cols ${columns}; "${POLITY}" ${line} --data "${hub.dataDir}"`
    return spawnSync(PTY, ['-qec', command, '/dev/null'], {
      env: { ...sandbox.env, TERM: 'xterm', ...env },
      encoding: 'utf8',
      input,
    }).stdout
  }

  it.skipIf(!hasPty)('has colours, unless NO_COLOR', () => {
    const green = '\u001b[32mok'
    expect(onTerminal('doctor', {})).toContain(green)
    const plain = onTerminal('doctor', { NO_COLOR: '1' })
    expect(plain).not.toContain(green)
    expect(plain).toMatch(/^ok {4}node/m)
  })

  it.skipIf(!hasPty)('asks before it erases, with the subject in the question', () => {
    const asked = onTerminal('erase state/asked/k', { NO_COLOR: '1' }, 'n\n')
    expect(asked).toContain('Go on with: polity erase state/asked/k? [y/N]')
    expect(asked).toContain('not done')
  })

  it.skipIf(!hasPty)('wraps help, and keeps ids whole', async () => {
    const help = onTerminal('state put --help', { NO_COLOR: '1' }, '', 44).split('\r\n')
    for (const line of help.slice(0, -1))
      if (!line.startsWith('Usage')) expect(line.length).toBeLessThanOrEqual(44)
    expect(help).toContain('      the value of the document; JSON, @FILE')
    await polity(['action', 'attest.sign', '--input', STATEMENT])
    const attested = onTerminal('attest list', { NO_COLOR: '1' }, '', 50)
    expect(attested).toMatch(/^STATEMENT +SUBJECTS\r\n[0-9a-f-]{36} +1\r\n/)
  })

  it.skipIf(!hasPty)('cuts tables to the width', async () => {
    await polity(['state', 'put', 'wide', 'k', JSON.stringify('x'.repeat(500))])
    const lines = onTerminal('state list wide', { NO_COLOR: '1' }).split('\r\n')
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80)
    expect(lines.join('')).toContain('…')
  })
})
