// A signed checkpoint is opened with its log's own key, and with no other.

import { describe, expect, it } from 'vitest'
import { formatCheckpoint } from './checkpoint.ts'
import { coded } from './codes.fixture.ts'
import { noteSigner } from './fixtures/note-signers.ts'
import { openCheckpoint } from './signed-checkpoint.ts'
import { signNote } from './signed-note.ts'

const root = new Uint8Array(32).fill(7)
const log = noteSigner('example.com/log')
const textOf = (origin: string) => formatCheckpoint({ origin, size: 5, root })

describe('openCheckpoint', () => {
  it('reads what the log signed in its own name', () => {
    const note = signNote(textOf('example.com/log'), log.key, log.sign)
    expect(openCheckpoint(note, log.key)).toEqual({
      origin: 'example.com/log',
      size: 5,
      root,
      extensions: [],
    })
  })

  it('refuses what the log signed in the name of another, and what another signed in its name', () => {
    const foreign = signNote(textOf('example.com/other'), log.key, log.sign)
    expect(() => openCheckpoint(foreign, log.key)).toThrow(coded('checkpoint'))
    const impostor = noteSigner('example.com/log')
    const forged = signNote(textOf('example.com/log'), impostor.key, impostor.sign)
    expect(() => openCheckpoint(forged, log.key)).toThrow(coded('unsigned'))
  })

  it('refuses a note that is no checkpoint', () => {
    const note = signNote('hello\n', log.key, log.sign)
    expect(() => openCheckpoint(note, log.key)).toThrow(coded('checkpoint'))
  })
})
