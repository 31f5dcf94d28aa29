// The archive on a terminal: ids can be copied, and what is wrong with a copy stands beside its name.

import { describe, expect, it } from 'vitest'
import { foundLines, foundRemarks, scrollLines, versionLines } from './scrolls.ts'

const form = { width: 80, isWhole: false }
const SCROLL = '01a1f99a-8ffa-7000-b9b6-9eedd0231943'
const preservedAt = '2026-11-20T15:36:58.728Z'
const of = { scroll: SCROLL, title: 'Minutes', category: 'minutes', tags: ['board'], preservedAt }

describe('scrolls', () => {
  it('show their whole id on 80 columns', () => {
    const [, line] = scrollLines({ items: [{ ...of, versions: 1, latest: 1, isErased: false }] }, form)
    expect(line?.split(/ {2,}/).slice(0, 2)).toEqual([SCROLL, '1'])
    expect(line).toContain('Minutes')
  })

  it('say that they were erased, whatever the title was', () => {
    const erased = { ...of, title: 'Minutes', versions: 1, latest: 1, isErased: true }
    expect(scrollLines({ items: [erased] }, form).join()).toContain('(erased)')
  })

  it('that were found show where, and whether there may be more', () => {
    const items = [{ ...of, version: 3, snippet: 'We ship\non Friday.' }]
    const text = foundLines({ items }, { ...form, width: undefined }).join('\n')
    expect(text).toContain('We ship on Friday.')
    expect(foundRemarks({ items, isBehind: false })).toEqual([])
    expect(foundRemarks({ items, isBehind: true })).toHaveLength(1)
  })

  it('are nothing when there are none', () => {
    for (const lines of [scrollLines, foundLines, versionLines])
      expect(lines({ items: [] }, form)).toEqual([])
  })
})

describe('the versions of a scroll', () => {
  const version = { ...of, version: 2, sizeBytes: 18, isHeld: false, isLost: false, backupLocations: [] }
  const cellsOf = (part: object) =>
    versionLines({ items: [{ ...version, ...part }] }, { ...form, width: undefined })[1]
      ?.trim()
      .split(/ {2,}/)

  it('name their copies, the bad ones with what is wrong, and what keeps them', () => {
    const backupLocations = [
      { copy: 'primary', state: 'good' },
      { copy: 'secondary', state: 'corrupt' },
    ]
    const retention = { mode: 'compliance', retainUntil: '2027-01-01T00:00:00Z' }
    expect(cellsOf({ backupLocations, retention, isHeld: true })).toEqual([
      '2',
      'Minutes',
      '18',
      'primary, secondary (corrupt)',
      'legal hold, until 2027-01-01T00:00:00Z (compliance)',
      preservedAt,
    ])
  })

  it('that are lost say so before anything else', () => {
    const backupLocations = [{ copy: 'primary', state: 'absent' }]
    expect(cellsOf({ backupLocations, isLost: true })).toContain('LOST, primary (absent)')
  })
})
