// Where files lie: under DATA, and the anchor beside it in the user's state folder.

import { homedir } from 'node:os'
import { describe, expect, it } from 'vitest'
import { dataPaths, defaultAnchorPath } from './layout.ts'

describe('defaultAnchorPath', () => {
  it('follows XDG_STATE_HOME, then HOME, and names the origin by its digest', () => {
    // printf log.example | sha256sum
    const name = 'polity/anchors/d7612c54297eaa3e.anchor'
    expect(defaultAnchorPath('log.example', { XDG_STATE_HOME: '/state', HOME: '/home/ada' })).toBe(
      `/state/${name}`,
    )
    expect(defaultAnchorPath('log.example', { HOME: '/home/ada' })).toBe(`/home/ada/.local/state/${name}`)
    expect(defaultAnchorPath('log.example', {})).toBe(`${homedir()}/.local/state/${name}`)
  })

  it('ignores a relative XDG_STATE_HOME, and keeps hostile origins inside its folder', () => {
    expect(defaultAnchorPath('log.example', { XDG_STATE_HOME: 'state', HOME: '/home/ada' })).toMatch(
      /^\/home\/ada\//,
    )
    expect(defaultAnchorPath('../../etc/passwd', { XDG_STATE_HOME: '/state' })).toMatch(
      /^\/state\/polity\/anchors\/[0-9a-f]{16}\.anchor$/,
    )
  })
})

describe('dataPaths', () => {
  it('puts every file under the folder', () => {
    expect(dataPaths('/data')).toMatchObject({
      database: '/data/log.db',
      seal: '/data/log.db.seal',
      vkey: '/data/log.vkey',
    })
  })
})
