// Followed logs and alerts on a terminal: the address can be copied, the trouble is read whole.

import { describe, expect, it } from 'vitest'
import { alertLines, alertRemarks, followedLines } from './monitors.ts'
import { textWidth } from './text-width.ts'

const VKEY = `example.org/log+0a0b0c0d+${'A'.repeat(44)}`
const trouble = 'no known key signed the checkpoint: whoever answers there may be somebody else'
const log = { origin: 'example.org/log', url: 'https://example.org/log', vkey: VKEY, size: 15 }

describe('the logs that are followed', () => {
  const items = [
    { ...log, state: 'verified', entries: 'withheld', at: '2026-11-20T15:26:12.000Z' },
    { ...log, url: 'https://mirror.example/log', state: 'alert', entries: 'unread', error: trouble },
  ]

  it('show address and state on 80 columns, and below them the whole trouble', () => {
    const [head = '', first, second, ...rest] = followedLines({ items }, { width: 80, isWhole: false })
    expect(textWidth(head)).toBeLessThanOrEqual(80)
    expect(first).toMatch(/^https:\/\/example.org\/log +verified +15/)
    expect(second).toMatch(/^https:\/\/mirror.example\/log +alert +15/)
    expect(rest).toEqual(['', `https://mirror.example/log  ${trouble}`])
  })

  it('show everything where nothing has to fit', () => {
    const lines = followedLines({ items: items.slice(0, 1) }, { width: undefined, isWhole: false })
    expect(lines).toHaveLength(2)
    expect(lines[1]).toContain('example.org/log+0a0b0c0d')
  })

  it('are nothing when there are none', () =>
    expect(followedLines({ items: [] }, { width: 80, isWhole: false })).toEqual([]))
})

describe('alerts', () => {
  const alert = {
    id: '01a1f990',
    at: '2026-11-20T15:26:12.000Z',
    log: 'example.org/log',
    kind: 'unknown-signer',
    detail: trouble,
    evidence: ['example.org/log\n9\nroot\n\n— example.org/log sig\n'],
  }

  it('are read whole, and say where the evidence is without pouring it out', () => {
    const text = alertLines({ items: [alert] }, { width: 80, isWhole: false }).join('\n')
    expect(text).toContain('unknown-signer')
    expect(text.replace(/\s+/g, ' ')).toContain('no known key signed')
    expect(text).not.toContain('root')
    expect(alertRemarks({ items: [alert] })).toEqual(['the signed notes that prove it: polity alerts --json'])
  })

  it('promise no evidence where there is none', () => {
    const { evidence: _, ...bare } = alert
    expect(alertRemarks({ items: [bare] })).toEqual([])
    expect(alertRemarks({ items: [] })).toEqual([])
  })

  it('do not let a log steer the terminal', () => {
    const hostile = { ...alert, detail: '\u001b[2Jgone', log: 'a\u202eb' }
    const text = alertLines({ items: [hostile] }, { width: undefined, isWhole: false }).join('')
    expect(text).not.toMatch(/[\p{Cc}\u202e]/u)
  })
})
