// What is recorded about events on their way, in words: the mesh, webhooks and brokers.

import { count } from './json.ts'
import { counted } from './numbers.ts'
import type { Pen, Tellers } from './pen.ts'
import { plain } from './told.ts'

export const eventWords = ({ text, texts, sentenceOf }: Pen): Tellers => ({
  'webhooks.endpoint-registered@1': ({ mode, types }) =>
    plain(`registered a webhook (${text(mode)}) for ${texts(types) || 'events'}`),
  'webhooks.endpoint-updated@1': ({ endpoint }) => plain(`changed the webhook ${text(endpoint)}`),
  'webhooks.secret-rotated@1': ({ endpoint }) => plain(`made a new secret for the webhook ${text(endpoint)}`),
  'webhooks.endpoint-enabled@1': ({ endpoint }) => plain(`enabled the webhook ${text(endpoint)}`),
  'webhooks.endpoint-disabled@1': ({ endpoint, reason }) =>
    reason === 'asked'
      ? plain(`disabled the webhook ${text(endpoint)}`)
      : {
          what: `disabled the webhook ${text(endpoint)}, ${reason === 'gone' ? 'which wants nothing any more' : 'to which nothing gets through'}`,
          tone: 'bad',
          verdict: text(reason),
        },
  'webhooks.endpoint-removed@1': ({ endpoint }) => plain(`removed the webhook ${text(endpoint)}`),
  'webhooks.source-put@1': ({ name, prefix }) => plain(`takes events of ${text(name)} as ${text(prefix)}.*`),
  'webhooks.source-removed@1': ({ name }) => plain(`takes no more events of ${text(name)}`),
  'webhooks.event-received@1': ({ type, hook }) => plain(`received ${text(type)} from ${text(hook)}`),
  'brokers.sink-put@1': ({ name, broker, to }) =>
    plain(`sends events to ${text(broker)} (${text(to)}) as ${text(name)}`),
  'brokers.source-put@1': ({ name, broker, prefix }) =>
    plain(`takes events of ${text(broker)} as ${text(prefix)}.* by ${text(name)}`),
  'brokers.removed@1': ({ name }) => plain(`ended the flow ${text(name)} of a broker`),
  'brokers.event-received@1': ({ type, through }) => plain(`received ${text(type)} through ${text(through)}`),
  'brokers.messages-set-aside@1': (data) => ({
    what: `could not use ${counted(count(data.count), 'message')} of ${text(data.name)}`,
    tone: 'bad',
    verdict: 'set aside',
    ...sentenceOf(data.reason),
  }),
  'mesh.event-published@1': ({ type, subject }) =>
    plain(`published ${text(type)}${subject === undefined ? '' : ` about ${text(subject)}`}`),
  'mesh.message-sent@1': ({ type, to, run }) =>
    plain(`sent ${run === undefined ? 'the message' : 'the request'} ${text(type)} to ${text(to)}`),
  'mesh.reply-sent@1': ({ to, request }) => plain(`replied to ${text(to)} (request ${text(request)})`),
  'mesh.type-defined@1': ({ type, major }) => plain(`declared the event type ${text(type)}@${text(major)}`),
  'mesh.subscription-opened@1': ({ name, types }) =>
    plain(`subscribed as ${text(name)} to ${texts(types) || 'events'}`),
  'mesh.subscription-paused@1': ({ name, isPaused }) =>
    plain(`${isPaused === true ? 'paused' : 'resumed'} the subscription ${text(name)}`),
  'mesh.subscription-closed@1': ({ name }) => plain(`ended the subscription ${text(name)}`),
  'mesh.routes-activated@1': ({ isRollback, digest }) =>
    digest === undefined
      ? plain('took all event routes out of force')
      : plain(
          `${isRollback === true ? 'put earlier' : 'put'} event routes in force (${text(digest).slice(0, 19)})`,
        ),
  'mesh.event-blocked@1': ({ publisher, type, code, mode, count: times }) => ({
    what: `${mode === 'log-only' ? 'would have kept' : 'kept'} ${text(publisher)} from publishing ${text(type)}${count(times) > 1 ? ` (${count(times)} times)` : ''}`,
    tone: 'bad',
    verdict: text(code),
  }),
  'mesh.alert-raised@1': ({ type, source }) => ({
    what: `raised an alert because ${text(source)} published ${text(type)}`,
    tone: 'bad',
    verdict: 'alert',
  }),
})
