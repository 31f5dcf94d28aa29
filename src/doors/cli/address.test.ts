// Which hub a command talks to, and whose token it shows there.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { addressOf, publishUrl } from './address.ts'
import type { Settings } from './settings.ts'

let dataDir = ''
const settings = (rest: Partial<Settings> = {}): Settings => ({
  isJson: false,
  isYes: false,
  mayAsk: false,
  dataDir,
  isDataGiven: false,
  ...rest,
})

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'polity-address-'))
})
afterEach(() => rmSync(dataDir, { recursive: true }))

describe('the address', () => {
  it('is the usual one, without a token where there is none', () => {
    expect(addressOf(settings())).toEqual({ url: 'http://127.0.0.1:7070' })
  })

  it('is what a running hub left in its folder, with the token beside it', () => {
    writeFileSync(join(dataDir, 'admin.token'), 'pol_a_b\n')
    const withdraw = publishUrl(dataDir, 'http://127.0.0.1:4711')
    expect(addressOf(settings())).toEqual({ url: 'http://127.0.0.1:4711', token: 'pol_a_b' })
    withdraw()
    expect(addressOf(settings()).url).toBe('http://127.0.0.1:7070')
  })

  it('is the one given, whatever the folder says', () => {
    publishUrl(dataDir, 'http://127.0.0.1:4711')
    expect(addressOf(settings({ url: 'https://hub.example/base/', token: 'pol_c_d' }))).toEqual({
      url: 'https://hub.example/base',
      token: 'pol_c_d',
    })
  })

  it('shows the token of the working folder to no host elsewhere, unless the folder was named too', () => {
    writeFileSync(join(dataDir, 'admin.token'), 'pol_a_b\n')
    expect(addressOf(settings({ url: 'https://hub.example' })).token).toBeUndefined()
    expect(addressOf(settings({ url: 'http://127.0.0.1.example' })).token).toBeUndefined()
    expect(addressOf(settings({ url: 'http://localhost:7070' })).token).toBe('pol_a_b')
    expect(addressOf(settings({ url: 'http://[::1]:7070' })).token).toBe('pol_a_b')
    expect(addressOf(settings({ url: 'https://hub.example', isDataGiven: true })).token).toBe('pol_a_b')
  })

  it('is nowhere else because a working folder says so: that may have come with a clone', () => {
    publishUrl(dataDir, 'https://hub.example')
    writeFileSync(join(dataDir, 'admin.token'), 'pol_a_b\n')
    for (const rest of [{}, { token: 'pol_c_d' }])
      expect(() => addressOf(settings(rest))).toThrow(/which is not this machine/)
    expect(addressOf(settings({ isDataGiven: true }))).toEqual({
      url: 'https://hub.example',
      token: 'pol_a_b',
    })
    expect(addressOf(settings({ url: 'http://localhost:1', token: 'pol_c_d' })).url).toBe(
      'http://localhost:1',
    )
  })

  it.each(['nonsense', 'ftp://host', 'http://user:secret@host', 'javascript:alert(1)'])(
    'cannot be %s',
    (url) => {
      expect(() => addressOf(settings({ url }))).toThrow(/--url is the address of a hub/)
    },
  )

  it.each(['with space', 'line\nbreak', 'ümlaut'])('takes no token %j, which no header can hold', (token) => {
    expect(() => addressOf(settings({ token }))).toThrow(/--token/)
  })
})
