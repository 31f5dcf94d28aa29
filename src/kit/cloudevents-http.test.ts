// CloudEvents over HTTP: what is written is read back, the specification's own examples hold, and strangers' headers are not believed.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  BATCH,
  type CloudEvent,
  checkedEvent,
  decodeHttp,
  encodeBatch,
  encodeBinary,
  encodeStructured,
  type HttpHeaders,
  looksLikeCloudEvent,
  percentEncoded,
  STRUCTURED,
} from './cloudevents-http.ts'
import { codeOf } from './codes.fixture.ts'

const event: CloudEvent = {
  specversion: '1.0',
  id: 'A234-1234-1234',
  source: '/mycontext',
  type: 'com.example.someevent',
  time: '2018-04-05T17:31:00Z',
  comexampleextension1: 'value',
  datacontenttype: 'application/json',
  data: { appinfoA: 'abc', appinfoB: 123, appinfoC: true },
}
const json = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
const structured = (value: unknown, headers: HttpHeaders = {}) =>
  decodeHttp({ 'content-type': STRUCTURED, ...headers }, json(value))
const binary = (headers: HttpHeaders, body: string | Uint8Array = '') =>
  decodeHttp(
    { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/s', 'ce-type': 't', ...headers },
    Buffer.from(body),
  )

/** Text as attributes may hold it. */
const attribute = fc
  .string({ minLength: 1, maxLength: 40, unit: 'binary' })
  .map((text) => text.toWellFormed().replace(/[\p{Cc}\p{Noncharacter_Code_Point}]/gu, 'x'))
/** A prototype among the members is refused where it is read: see below. */
const payload = fc.jsonValue().filter((value) => !JSON.stringify(value).includes('"__proto__"'))
const events: fc.Arbitrary<CloudEvent> = fc
  .record({
    id: attribute,
    type: attribute,
    subject: fc.option(attribute, { nil: undefined }),
    ext1: fc.option(attribute, { nil: undefined }),
    data: fc.option(payload, { nil: undefined }),
  })
  .map(({ subject, ext1, data, ...rest }) => ({
    specversion: '1.0' as const,
    source: '/s',
    ...rest,
    ...(subject === undefined ? {} : { subject }),
    ...(ext1 === undefined ? {} : { ext1 }),
    ...(data === undefined
      ? {}
      : { data: JSON.parse(JSON.stringify(data)) as unknown, datacontenttype: 'application/json' }),
  }))

describe('what is written', () => {
  it('is read back in every mode', () => {
    fc.assert(
      fc.property(events, (each) => {
        for (const [mode, message] of [
          ['structured', encodeStructured(each)],
          ['batch', encodeBatch([each])],
          ['binary', encodeBinary(each)],
        ] as const)
          expect(decodeHttp(message.headers, message.body)).toEqual({ mode, events: [each] })
      }),
    )
  })

  it('is the example of the binding', () => {
    expect(percentEncoded('Euro € 😀')).toBe('Euro%20%E2%82%AC%20%F0%9F%98%80')
    const { headers, body } = encodeBinary({ ...event, comexampleothervalue: 5 })
    expect(headers).toEqual({
      'ce-specversion': '1.0',
      'ce-id': 'A234-1234-1234',
      'ce-source': '/mycontext',
      'ce-type': 'com.example.someevent',
      'ce-time': '2018-04-05T17:31:00Z',
      'ce-comexampleextension1': 'value',
      'ce-comexampleothervalue': '5',
      'content-type': 'application/json',
    })
    expect(JSON.parse(Buffer.from(body).toString())).toEqual(event.data)
  })

  it('carries bytes as bytes and text as text', () => {
    const bytes: CloudEvent = { ...event, data: undefined, datacontenttype: 'image/png', data_base64: 'AAEC' }
    expect([...encodeBinary(bytes).body]).toEqual([0, 1, 2])
    const text = { ...event, datacontenttype: 'text/xml', data: '<much wow="xml"/>' }
    expect(Buffer.from(encodeBinary(text).body).toString()).toBe('<much wow="xml"/>')
    expect(decodeHttp(encodeBinary(text).headers, encodeBinary(text).body).events).toEqual([text])
  })

  it('cannot bring a line end into a header', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => /^[!-~]*$/.test(percentEncoded(text))))
  })
})

describe('what is read', () => {
  it('takes null for absent, but keeps data that is null', () => {
    const [read] = structured({ ...event, subject: null, data: null }).events
    expect(read).not.toHaveProperty('subject')
    expect(read).toHaveProperty('data', null)
  })

  it('knows the media type by its beginning, whatever its case and parameters', () => {
    for (const type of [
      'Application/CloudEvents+JSON',
      `${STRUCTURED};charset="UTF-8"`,
      ` ${STRUCTURED} ; x=y`,
    ])
      expect(decodeHttp({ 'content-type': type }, json(event)).mode).toBe('structured')
    expect(
      decodeHttp({ 'content-type': `${BATCH}; charset=utf-8` }, json([event, event])).events,
    ).toHaveLength(2)
    expect(looksLikeCloudEvent({ 'content-type': 'application/json' })).toBe(false)
    expect(looksLikeCloudEvent({ 'ce-specversion': '0.1' })).toBe(true)
  })

  it('undoes quotes and one round of percent signs', () => {
    expect(binary({ 'ce-subject': '"a \\"b\\" %25c"' }).events[0]?.subject).toBe('a "b" %c')
    expect(binary({ 'ce-subject': '%41%e2%82%ac' }).events[0]?.subject).toBe('A€')
    expect(binary({ 'ce-subject': '%2541' }).events[0]?.subject).toBe('%41')
  })

  it.each([
    ['an overlong encoding', { 'ce-subject': '%C0%A0' }],
    ['half an escape', { 'ce-subject': 'a%4' }],
    ['no hexadecimal', { 'ce-subject': '%zz' }],
    ['two headers joined', { 'ce-id': '1, 2' }],
    ['two quoted headers joined', { 'ce-subject': '"a", "b"' }],
    ['an open quote', { 'ce-subject': '"a' }],
    ['a list', { 'ce-id': ['1', '2'] }],
    ['raw UTF-8', { 'ce-subject': 'ü' }],
    ['a data content type', { 'ce-datacontenttype': 'text/plain' }],
    ['data in a header', { 'ce-data': 'x' }],
    ['bytes in a header', { 'ce-data_base64': 'AAAA' }],
  ])('refuses %s in a header', (_, headers) => {
    expect(codeOf(() => binary(headers))).toBe('cloudevent.header')
  })

  it('refuses a header that says something else than the body', () => {
    expect(structured(event, { 'ce-id': 'A234-1234-1234' }).mode).toBe('structured')
    expect(codeOf(() => structured(event, { 'ce-id': 'other' }))).toBe('cloudevent.header')
    expect(codeOf(() => structured(event, { 'ce-admin': '1' }))).toBe('cloudevent.header')
    expect(codeOf(() => structured(event, { 'ce-constructor': 'x' }))).toBe('cloudevent.header')
  })

  it.each([
    ['no id', { ...event, id: undefined }],
    ['an empty id', { ...event, id: '' }],
    ['an id of a number', { ...event, id: 1 }],
    ['version 0.3', { ...event, specversion: '0.3' }],
    ['a source with a space', { ...event, source: 'a b' }],
    ['a control character', { ...event, type: 'a\u0007' }],
    ['a megabyte', { ...event, subject: 'x'.repeat(1 << 20) }],
    ['no time', { ...event, time: 'yesterday' }],
    ['a day that is none', { ...event, time: '2026-13-41T00:00:00Z' }],
    ['a name in capitals', { ...event, Admin: 'x' }],
    ['a nested attribute', { ...event, ext: { a: 1 } }],
    ['a large integer', { ...event, ext: 2 ** 31 }],
    ['a fraction', { ...event, ext: 0.5 }],
    ['data twice', { ...event, data_base64: 'AAAA' }],
    ['data that is no base64', { ...event, data: undefined, data_base64: 'A' }],
    ['XML that is an object', { ...event, datacontenttype: 'application/xml' }],
    ['a relative schema', { ...event, dataschema: 'x' }],
  ])('refuses %s', (_, value) => {
    expect(codeOf(() => structured(value))).toBe('cloudevent.attribute')
    expect(codeOf(() => checkedEvent(value))).toBe('cloudevent.attribute')
  })

  it.each([
    ['not JSON', '{'],
    ['a list', '[]'],
    ['a member twice', '{"id":"a","id":"b"}'],
    ['a prototype', '{"__proto__":{"id":"a"}}'],
    ['depth', '['.repeat(100)],
    ['nothing', ''],
  ])('refuses a body with %s', (_, text) => {
    expect(codeOf(() => structured(text))).toBe('cloudevent.body')
  })

  it('refuses what is no CloudEvent, or none that it can read', () => {
    const type = (text: string) => codeOf(() => decodeHttp({ 'content-type': text }, json(event)))
    expect(type('application/json')).toBe('cloudevent.media-type')
    expect(type('application/cloudevents+avro')).toBe('cloudevent.media-type')
    expect(type(`${STRUCTURED}; charset=utf-16`)).toBe('cloudevent.media-type')
    expect(codeOf(() => decodeHttp({ 'content-type': BATCH }, json(Array(257).fill(event))))).toBe(
      'cloudevent.limit',
    )
    const many = Object.fromEntries(Array.from({ length: 70 }, (_, n) => [`ce-x${n}`, '1']))
    expect(codeOf(() => binary(many))).toBe('cloudevent.limit')
  })

  it('never throws anything but its own errors', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.constantFrom(
            'content-type',
            'ce-id',
            'ce-type',
            'ce-source',
            'ce-specversion',
            'ce-x',
            '__proto__',
          ),
          fc.string({ unit: 'binary' }),
        ),
        fc.uint8Array(),
        (headers, body) => codeOf(() => decodeHttp(headers, body)) !== '',
      ),
    )
  })
})
