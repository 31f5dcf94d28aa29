// Progress redraws one line on a terminal, and is nearly silent elsewhere.

import { describe, expect, it } from 'vitest'
import { progressBar } from './progress-bar.ts'

function stand({ isTerminal, columns = 80 }: { isTerminal: boolean; columns?: number }) {
  const written: string[] = []
  const clock = { nowMs: 0 }
  const bar = progressBar(
    'verifying',
    { isTerminal, columns, write: (text) => written.push(text) },
    () => clock.nowMs,
  )
  return { bar, written, clock }
}

describe('on a terminal', () => {
  it('draws how far it is over what stood there', () => {
    const { bar, written } = stand({ isTerminal: true })
    bar.update(5, 10, 'five')
    expect(written).toEqual([`\r\u001b[Kverifying ${'█'.repeat(12)}${'░'.repeat(12)} 50% 5/10 five`])
  })

  it('does not redraw faster than anyone can read', () => {
    const { bar, written, clock } = stand({ isTerminal: true })
    for (let done = 0; done < 1000; done++) bar.update(done, 1000)
    expect(written).toHaveLength(1)
    clock.nowMs += 100
    bar.update(999, 1000)
    expect(written).toHaveLength(2)
  })

  it('leaves a clean line, once', () => {
    const { bar, written } = stand({ isTerminal: true })
    bar.update(1, 2)
    bar.end()
    bar.end()
    expect(written.slice(1)).toEqual(['\r\u001b[K'])
  })

  it('clears nothing that it never drew', () => {
    const { bar, written } = stand({ isTerminal: true })
    bar.end()
    expect(written).toEqual([])
  })

  it('stays within the columns, and shows what steers as text', () => {
    const { bar, written } = stand({ isTerminal: true, columns: 60 })
    bar.update(1, 2, `\u001b[2J${'x'.repeat(200)}`)
    const [, line = ''] = (written[0] ?? '').split('\u001b[K')
    expect(line).toHaveLength(59)
    expect(line).not.toContain('\u001b')
  })

  it('survives a total of nothing and more than everything', () => {
    const { bar, written, clock } = stand({ isTerminal: true })
    bar.update(0, 0)
    clock.nowMs += 100
    bar.update(7, 5)
    expect(written.join('')).toContain('0% 0/0')
    expect(written.join('')).toContain('100% 7/5')
  })
})

describe('elsewhere', () => {
  it('writes plain lines, the first one only when it takes long', () => {
    const { bar, written, clock } = stand({ isTerminal: false })
    bar.update(1, 10)
    expect(written).toEqual([])
    clock.nowMs += 6_000
    bar.update(2, 10, 'polity\u001b')
    bar.end()
    expect(written).toEqual(['verifying 2/10 polity\\x1b\n'])
  })
})
