// A failure is one readable line, a hint and an exit code; with --json it is the problem document.

import { describe, expect, it } from 'vitest'
import { ERROR_CODES, type ErrorCode, PolityError } from '../../kernel/errors.ts'
import { exitCodeOf } from './exit-codes.ts'
import { reportFailure } from './failure.ts'
import type { Terminal } from './terminal.ts'

function report(thrown: unknown, form: { isJson?: boolean; isDebug?: boolean } = {}) {
  const notes: string[] = []
  const terminal: Terminal = {
    data: async () => expect.unreachable('failures are no data'),
    note: (line) => void notes.push(line),
    width: undefined,
    styleData: (_, text) => text,
    styleNote: (_, text) => text,
    progress: { isTerminal: false, columns: 80, write: () => undefined },
    canAsk: false,
    ask: async () => false,
  }
  const exitCode = reportFailure(thrown, { terminal, isJson: false, isDebug: false, ...form })
  return { exitCode, notes }
}

describe('a failure', () => {
  it('says what, under which code, and what to do', () => {
    const { exitCode, notes } = report(new PolityError('port.taken', '127.0.0.1:7070 is in use'))
    expect(exitCode).toBe(1)
    expect(notes).toEqual([
      'polity: 127.0.0.1:7070 is in use (port.taken)',
      '  choose another with --port N; --port 0 takes any free one',
    ])
  })

  it('names the first bad seq of a log', () => {
    const { exitCode, notes } = report(
      new PolityError('verify.failed', 'entry 3 is not the one that was signed', { seq: 3 }),
    )
    expect(exitCode).toBe(5)
    expect(notes).toContain('  first bad seq: 3')
  })

  it('shows further violations below the first', () => {
    const violations = ['/a', '/b', '/c'].map((pointer) => ({ pointer, message: 'is wrong' }))
    const { notes } = report(new PolityError('input.invalid', '/a is wrong', { violations }))
    expect(notes).toEqual(['polity: /a is wrong (input.invalid)', '  /b is wrong', '  /c is wrong'])
  })

  it('is a problem document with --json, and nothing else', () => {
    const { notes } = report(new PolityError('state.stale', 'read it again', { version: 3 }), {
      isJson: true,
    })
    expect(notes).toHaveLength(1)
    expect(JSON.parse(notes[0] ?? '')).toMatchObject({
      type: 'urn:polity:error:state.stale',
      code: 'state.stale',
      version: 3,
    })
  })

  it('shows no stack, unless somebody debugs', () => {
    expect(report(new TypeError('oops')).notes).toEqual(['polity: oops (internal)'])
    expect(report(new TypeError('oops'), { isDebug: true }).notes.join('\n')).toContain('failure.test.ts')
  })

  it('does not obey what it quotes', () => {
    const { notes } = report(new PolityError('not-found', 'there is no \u001b[2J\n'))
    expect(notes).toEqual(['polity: there is no \\x1b[2J\\n (not-found)'])
  })
})

describe('the exit code', () => {
  it.each([
    ['usage', 2],
    ['input.invalid', 2],
    ['secret.plaintext', 2],
    ['name.unknown', 2],
    ['denied', 3],
    ['auth.expired', 3],
    ['verify.failed', 5],
    ['hub.unreachable', 6],
    ['state.stale', 1],
    ['store.locked', 1],
    ['internal', 1],
  ] as const)('of %s is %i', (code, exitCode) => expect(exitCodeOf(code)).toBe(exitCode))

  it('of no failure is success, and 4 is kept for what waits', () => {
    for (const code of Object.keys(ERROR_CODES) as ErrorCode[])
      expect([1, 2, 3, 5, 6]).toContain(exitCodeOf(code))
  })
})
