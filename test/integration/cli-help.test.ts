// What --help says of derived commands: what must be given, what may be chosen (once), and what holds where nothing is said.

import { afterAll, beforeAll, expect, it } from 'vitest'
import { openSandbox, type Sandbox } from './cli-process.ts'

let sandbox: Sandbox

beforeAll(() => {
  sandbox = openSandbox()
})
afterAll(() => sandbox.remove())

/** In one line, whatever the width of the terminal. */
async function helpOf(...words: readonly string[]): Promise<string> {
  const { exitCode, stdout } = await sandbox.polity([...words, '--help'])
  expect(exitCode).toBe(0)
  return stdout.replaceAll(/\s+/g, ' ')
}

it('fits 80 columns in a pipe, names what is long in a line of its own, and parts no name of a variable', async () => {
  for (const words of [
    [],
    ['approvals'],
    ['state', 'put'],
    ['token', 'create'],
    ['gate', 'mode'],
    ['verify'],
  ]) {
    const { stdout } = await sandbox.polity([...words, '--help'])
    for (const line of stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80)
    expect(stdout).not.toMatch(/\(env:\s*\n/)
    expect(stdout).toMatch(/\(env: POLITY_URL\)/)
  }
  const { stdout } = await sandbox.polity(['approvals', '--help'])
  expect(stdout).toMatch(/^ {2}--help {2,}show help$/m)
  expect(stdout).toMatch(/^ {2}standing <action> <resource> <requester>\n {34}Agrees once/m)
  // Whether a command has options, its own help says.
  expect(stdout).not.toMatch(/^ {2}\S+ \[options\]/m)
})

it('says of an option that it must be given', async () => {
  expect(await helpOf('mesh', 'request')).toContain('how long to wait for the reply (required)')
  expect(await helpOf('mesh', 'send')).not.toContain('(required)')
})

it('says once what may be chosen, for an option and for an argument', async () => {
  const option = await helpOf('mesh', 'subscribe')
  expect(option.match(/"urgent", "normal"/g)).toHaveLength(1)
  expect(option).not.toContain('one of urgent')
  const argument = await helpOf('counterparts', 'sync')
  expect(argument.match(/shadowscrolls/g)).toHaveLength(1)
})

it.each([
  ['schedules put', ['default UTC', 'default none']],
  ['mesh propose-routes', ['default 0']],
  ['procedures list', ['how many at most; default 100']],
  ['mesh subscriptions', ['how many at most; default 50']],
])('says what holds where nothing is said: %s', async (words, defaults) => {
  const help = await helpOf(...words.split(' '))
  for (const each of defaults) expect(help).toContain(each)
})
