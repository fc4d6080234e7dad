# Everything a person can read in English. Telegram's HTML; variables are escaped by texts.say.
# button-*, toast-*, command-* and chip-* are plain text without markup: Telegram shows them as they are.

## Numbers with words

credits = { $n }{"\u00A0"}{ $n ->
    [one] credit
   *[other] credits
}
returned = { $n }{"\u00A0"}{ $n ->
    [one] credit returned
   *[other] credits returned
}
characters = { $n }{"\u00A0"}{ $n ->
    [one] character
   *[other] characters
}
videos = { $n }{"\u00A0"}{ $n ->
    [one] video
   *[other] videos
}
minutes = { $n }{"\u00A0"}min

## Welcome and help

welcome =
    Hello! 👋

    I make short vertical videos for product pages on Wildberries, Ozon and Yandex Market. You send a photo and a description; the script and the shooting are on me.

    A video costs 1 credit and takes about 5 minutes.
welcome-gift = 🎁 You have been given { CREDITS($credits) }. The first video is a present!
welcome-balance = 💳 Your balance: { CREDITS($balance) }.
welcome-continue = You have an unfinished order. Continue it or start a new one?
welcome-continue-title = You have an unfinished order: “{ $title }”. Continue it or start a new one?
help =
    <b>How to get a video</b>
    1. Send a photo of the product.
    2. Describe it in a sentence or two.
    3. Choose a template and add wishes, if any.
    4. Choose how many videos to make, and launch.

    A video costs 1 credit. If a video doesn't work out, the credit comes back by itself.

    /start — a new video
    /balance — balance and recent operations
    /history — finished videos
    /cancel — cancel the draft or a queued order
    /language — русский

    Questions and top-ups: { $support }
language-set = I write in English now. Перейти на русский: /language
group = I only work in private chats: there your photos and your balance stay between us. Write to me directly and press /start.

command-start = New video
command-balance = Balance and operations
command-history = Finished videos
command-cancel = Cancel the draft or an order
command-help = How it works
command-language = English / русский

## Questions

ask-photo =
    Step 1 of 5
    📷 <b>Send a photo of the product</b>
    Best when the whole product is visible, well lit, with no people in the picture. A file is fine too; you can add the description as its caption.
ask-description =
    Step 2 of 5
    ✍️ <b>Describe the product</b>
    What it is, who it is for, what is good about it. A sentence or two will do: 3 to 2000 characters.
ask-template =
    Step 3 of 5
    🎬 <b>What kind of video?</b>
    <b>UGC blogger</b> — a lively story told by a customer.
    <b>Commercial</b> — striking shots of the product, as in an advert.
    <b>Own prompt</b> — you write what happens in the shot.
ask-wishes =
    Step 4 of 5
    ✨ <b>Any wishes?</b>
    Tick what fits or write it in your own words, up to 500 characters.
ask-prompt =
    Step 4 of 5
    📝 <b>Write your own prompt</b>
    What happens in the shot, how the camera moves, what the mood is. 10 to 2000 characters.
ask-count =
    Step 5 of 5
    🔢 <b>How many videos?</b>
    Each one comes out different. Your balance: { CREDITS($balance) }.
answer-now = Now: <blockquote>{ $text }</blockquote>

summary =
    📋 <b>Check your order</b>

    📷 Photo: received
    📦 Description: { $description }
    🎬 Template: “{ $template }”
summary-wishes = ✨ Wishes: { $text }
summary-no-wishes = ✨ Wishes: none
summary-prompt = 📝 Prompt: { $text }
summary-price =
    🔢 Number: { VIDEOS($count) }
    💳 Price: { CREDITS($price) }, balance afterwards: { $left }
summary-price-short =
    🔢 Number: { VIDEOS($count) }
    💳 Price: { CREDITS($price) }, your balance so far: { CREDITS($balance) }

template-ugc = UGC blogger
template-ad = Commercial
template-own = Own prompt

chip-lively = Lively
chip-calm = Calm
chip-closeup = Close-ups
chip-home = At home
chip-outdoors = Outdoors
chip-nopeople = No people

## Buttons

button-template-ugc = 🤳 UGC blogger
button-template-ad = 📣 Commercial
button-template-own = 📝 Own prompt
button-chosen = ✓ { $label }
button-skip = ➡️ Skip
button-next = ➡️ Next
button-keep = ➡️ Keep as it is
button-count = { VIDEOS($count) } · { CREDITS($price) }
button-run = 🚀 Launch · { CREDITS($price) }
button-check-again = 🔄 Check again
button-back = ⬅️ Back
button-drop = ✖️ Cancel
button-continue = ▶️ Continue
button-new = 🎬 New video
button-replace = ✅ Replace
button-keep-photo = ↩️ Keep the old one
button-change-description = ✏️ Change the description
button-change-wishes = ✏️ Change the wishes
button-change-prompt = ✏️ Change the prompt
button-again = 🔁 Another take · { CREDITS($price) }
button-retry = 🔁 Try again · { CREDITS($price) }
button-restyle = 🎬 Another template
button-rephoto = 📷 Another photo
button-file = 📄 As a file
button-cancel = ✖️ Cancel
button-cancel-queued = ✖️ Cancel what is queued
button-cancel-order = ✖️ Cancel order #{ $order }
button-video = ▶️ #{ $video } · { $title }
button-older = Earlier ▶️
button-newest = ⏮ To the latest

## Answers along the way

photo-looking = 👀 Looking at the photo…
photo-taken = ✅ Photo received.
photo-and-description-taken = ✅ Photo and description received.
photo-album = 📚 Taking the first photo of the album: a video is made from one photo.
photo-replace = Replace the photo in your order with this one?
photo-replace-both = Replace the photo and the description in your order with these?
photo-too_big = 😕 The file is over 20 MB and Telegram won't let me fetch it. Send a smaller photo: as a picture rather than a file, Telegram compresses it for you.
photo-not_image = 😕 That doesn't look like a photo. JPEG, PNG, WebP and HEIC will do.
photo-broken = 😕 The file is damaged and won't open. Send the photo again or save it anew.
photo-too_many_pixels = 😕 This picture has more than 50 megapixels. Send it as a picture rather than a file, or make it smaller.
photo-too_small = 😕 The photo is too small to make out the product. Send a larger one.
photo-unreachable = 😕 The photo could not be fetched from Telegram. Please send it once more.

text-empty = 🤔 There are no letters or digits in that message. Please write it in words.
text-short = 🤔 A little short: { CHARACTERS($n) }, at least { $min } needed. Add some detail.
text-long = 🤔 A little long: { CHARACTERS($n) }, room for { $max }. Please shorten it.

dropped = 🗑 Draft deleted, your credits are untouched. Whenever you want a video, send a photo of the product.
nothing-to-cancel = Nothing to cancel: no draft, nothing queued. Whenever you want a video, send a photo of the product.
nothing-to-cancel-running = Nothing to cancel: your order is being made. The video will come here by itself; should it fail, the credit comes back.
orders-in-queue = These orders are still queued and can be cancelled. The credits come back at once.
order-cancelled = ✖️ Order #{ $order } cancelled: { RETURNED($count) }, balance { $balance }.
order-cancelled-partly = ✖️ Order #{ $order }: { VIDEOS($count) } taken off the queue, { RETURNED($count) }, balance { $balance }. The rest is being made or ready.

not-enough =
    💳 <b>Not enough credits</b>
    The order costs { CREDITS($price) }, your balance is { CREDITS($balance) }.
    The draft is kept. To top up, write to { $support }, then press “Check again”.
not-enough-fewer = Or choose fewer videos.

## The unexpected

unexpected-text = 🙂 A button works better here, choose one below this message.
unexpected-text-photo = 🙂 A photo of the product comes first, the words are the next step. How it all works: /help.
unexpected-sticker = 🙂 A nice sticker, but it can't go into the order.
unexpected-voice = 🙂 I can't listen to voice messages yet.
unexpected-video = 🙂 I can't take videos yet: I work from a photo.
unexpected-location = 🙂 A place on the map isn't needed for the video.
unexpected-contact = 🙂 A contact isn't needed for the video.
unexpected-other = 🙂 I don't understand this kind of message yet.
unknown-command = 🤔 There is no such command. All commands are in /help.
slow-down = 😅 That is more than I can keep up with. Please wait a minute and go on from the last step: your draft and credits are safe.
sorry = 😔 Something went wrong and this message was left without an answer. Send it again or press /start: your draft and your credits are safe.

edited-description = ✏️ I don't see edits of messages already sent. To change the description, press the button.
edited-wishes = ✏️ I don't see edits of messages already sent. To change the wishes, press the button.
edited-prompt = ✏️ I don't see edits of messages already sent. To change the prompt, press the button.
edited-other = ✏️ I don't see edits of messages already sent. Send the new text as a message of its own; a new order: /start.

toast-stale-draft = This button is out of date: the draft has changed or is closed. Go on from the last message, or send a photo of the product.
toast-stale-order = This button is out of date: you have no such order. Send a photo of the product to start a new one.
toast-changed = This button is out of date: the order has changed. Please check it once more.
toast-unknown = This button is out of date. Press /start: your draft and your credits are safe.
toast-running = Launching already
toast-started = Received, launching!
toast-not-enough = Not enough yet: price { $price }, balance { $balance }
toast-too-many = You have { VIDEOS($count) } in the works, and { $most } fit at once. Wait for some to be ready and tap “Launch” again: your draft is kept.
toast-closed = We are doing maintenance; new orders will work again soon. Your draft is kept: tap “Launch” a little later.
toast-cancelled = Cancelled, the credits are back
toast-too-late = Nothing left to cancel: the video is being made or is ready.
toast-file = Preparing the file…

## Balance and history

balance = 💳 <b>Your balance: { CREDITS($balance) }</b>
balance-top-up = Top up: { $support }
balance-entries = Recent operations:
entry-grant = { $date } · { $amount } · granted
entry-taken = { $date } · { $amount } · taken back
entry-debit = { $date } · { $amount } · video
entry-refund = { $date } · { $amount } · refund for a video
history = 🎞 <b>Finished videos</b>
history-line = #{ $video } · { $date } · { $title }
history-empty = No finished videos yet. Send a photo of the product and let's change that!
history-end = There are no earlier videos.
video-lost = 😔 Video #{ $video } could not be found, neither in Telegram nor in storage. Write to { $support }, we will help.
file-link = 📄 Video #{ $video } can be downloaded here: { $url }

## The order's card

card-header = 🎬 <b>Order #{ $order }</b> · { $title }
card-line = { $number }. { $stage }
card-eta = ⏱ ≈{ MINUTES($minutes) } left. The video will arrive here by itself.
card-soon = ⏱ Less than a minute left. The video will arrive here by itself.
card-overdue = ⏱ Longer than usual, I'm watching it. The video will arrive here by itself.
card-no-eta = ⏱ The video will arrive here by itself.
card-done = ✅ Order #{ $order } done in { $time }
card-partly = ✅ Order #{ $order }: { $done } of { $count } ready, { RETURNED($returned) }, balance { $balance }
card-failed = ❌ Order #{ $order }: it didn't work out, { RETURNED($returned) }, balance { $balance }
card-cancelled = ✖️ Order #{ $order } cancelled, { RETURNED($returned) }, balance { $balance }

stage-queued = ⏳ queued
stage-script = 📝 writing the script
stage-submit = 📤 sending it to the studio
stage-held = ⏸ waiting for the studio to answer
stage-render = 🎥 shooting
stage-deliver = 📦 fetching and sending
stage-done = ✅ ready
stage-failed = ❌ didn't work out, credit returned
stage-cancelled = ✖️ cancelled, credit returned

video-caption =
    🎬 <b>{ $title }</b> · { $template }
    Order #{ $order } · balance: { CREDITS($balance) }
video-caption-one-of =
    🎬 <b>{ $title }</b> · { $template }
    Order #{ $order }, video { $number } of { $count } · balance: { CREDITS($balance) }

## It didn't work out: what, why, money, what next

failure-what = 😔 <b>Order #{ $order }: the video didn't work out.</b>
failure-what-one-of = 😔 <b>Order #{ $order }: video { $number } of { $count } didn't work out.</b>
failure-money = 💳 The credit is back, balance { $balance }.
failure-code = Code for support: <code>{ $code }</code>

why-person = A person was noticed in the photo, and the service's rules don't allow videos from photos with people.
next-person = Send a photo with nothing but the product: press “Another photo”.
why-sexual = The service found the photo or the text too revealing.
next-sexual = Try another photo or change the wishes.
why-copyright = The service saw somebody's character, logo or other protected image.
next-copyright = Try another photo or take the mention out of the text.
why-moderation = The photo or the text didn't pass the service's content check.
next-moderation = Try another photo or change the wishes.
why-image_format = The service could not read this photo.
next-image_format = Save the photo as a JPEG or take it anew, and press “Another photo”.
why-image_size = The photo's size didn't suit the service.
next-image_size = Press “Another photo” and send a picture of ordinary size.
why-prompt = The service didn't accept the text: it is too long or unclear.
next-prompt = Change the text or the wishes and launch once more.
why-user = The service rejected the photo or the text.
next-user = Try another photo or change the wishes.
why-billing = A payment problem with the video service on our side; your order is not to blame.
next-billing = Please contact support: { $support }. Then press “Try again”.
why-rate_limit = The video service is overloaded: no free place in several attempts.
next-rate_limit = Wait ten minutes or so and press “Try again”.
why-temporary = The video service failed several times in a row.
next-temporary = This usually passes quickly: press “Try again”.
why-maintenance = The studio is closed for maintenance and did not open in several attempts.
next-maintenance = Wait half an hour and press “Try again”.
why-image_unreachable = The studio could not fetch the photo from us several times in a row. The photo itself is fine.
next-image_unreachable = Press "Try again": the photo is sent anew.
why-configuration = A fault in our settings; we know about it already.
next-configuration = Try a little later. If that doesn't help, write to { $support }.
why-operator = Support stopped this order.
next-operator = Questions are welcome at { $support }. Or press “Try again”.
why-unknown = Something unforeseen happened; we are looking into it.
next-unknown = Press “Try again”. If that doesn't help, write to { $support }.
why-deadline = The shooting took too long and the order had to be stopped.
next-deadline = Press “Try again”: usually a few minutes are enough.

held =
    ⏸ The studio doesn't answer right now, order #{ $order } waits.
    The shooting begins by itself as soon as the studio is back: nothing to press.
    💳 If there is no video by { $time } Moscow time, the credit comes back.

## For operators

command-admin = Operator's commands
command-stats = Figures
command-user = A person: balance and orders
command-grant = Grant credits
command-ban = Keep a person out
command-unban = Let a person in
command-job = A job: events and attempts
command-keys = The video provider's keys
command-pause = Take no orders
command-resume = Take orders again
command-broadcast = Message to everybody

op-menu =
    🛠 <b>Operator's commands</b>
    /stats — figures
    /user ID — balance, orders, entries
    /grant ID N reason — give or take credits
    /ban ID reason, /unban ID — keep out, let in
    /job N — events, attempts, retry, refund
    /keys — the provider's keys
    /pause, /resume — whether orders are taken
    /broadcast text — a message to everybody
    Instead of an ID, @name will do if they wrote to the bot in the last three days.

op-stats = 📊 <b>Figures</b>
op-orders-open = 🟢 Orders are taken
op-orders-closed = ⏸ <b>No orders are taken</b>
op-orders-explained = Meanwhile “Launch” asks people to wait, and drafts are kept. Orders taken before are made.
op-paused = 🛑 Down: { $names }
op-held = ⏸ Waiting for the provider: { $held }
op-queue = ⏳ Queued { $queued }, in progress { $running }, wait { $wait } min
op-stages = By stage: { $stages }
op-workers = 👷 Workers { $workers }: { $advice }
op-advice-none = enough
op-advice-slow = add some, the wait is over 5 minutes
op-advice-some = add 2–3
op-advice-many = add 5–10
op-day = 📅 Last 24 hours: orders { $orders }, videos { $done }, failed { $failed }, refunds { $refunds }
op-failed = Why they failed: { $failed }
op-took = ⏱ Mean time to video { $time }
op-keys-in-use = 🔑 Keys in use: { $usable } of { $keys }
op-outbox = 📤 To be sent: { $rows }, the oldest waits { $time }
op-inbox = 📥 To be answered: { $rows }, the oldest waits { $time }
op-people = 👥 People { $people }, reachable { $reachable }, kept out { $banned }

op-stage-queued = queued
op-stage-script = script
op-stage-submit = submit
op-stage-render = render
op-stage-deliver = deliver
op-stage-done = done
op-stage-failed = failed
op-stage-cancelled = cancelled

op-person =
    👤 <b>{ $name }</b> · <code>{ $user }</code> · { $speaks }
    💳 Balance: { CREDITS($balance) }
op-reachable = ✅ Reachable
op-unreachable = 🔕 Blocked the bot
op-banned = ⛔ Kept out since { $time }
op-jobs = <b>Last videos</b>
op-job-line = { $job } · { $time } · { $stage } { $why }
op-entries = <b>Credits</b>
op-entry = { $time } · { $amount } · { $kind } · { $why }

op-kind-grant = grant
op-kind-taken = taken back
op-kind-debit = taken for a video
op-kind-capture = delivered
op-kind-refund = refund

op-job =
    🎬 <b>Job { $job }</b> · order #{ $order }, video { $number } of { $count }
    { $title }
    Stage: { $stage } { $why }
op-job-waits-worker = A worker has it since { $time }
op-job-waits-provider = Waits for the provider: it goes on by itself once that answers
op-job-waits-answer = Waits for the provider's answer, whether it took the job
op-job-waits-turn = Waits for its turn
op-job-waits-look = Shooting, we look again at { $time }
op-job-waits-try = Next step at { $time }
op-job-deadline = If there is no video by { $time }, the credit comes back by itself
op-attempts = <b>Provider attempts</b>
op-attempt = { $number }. { $state } · key <code>{ $fingerprint }</code> · { $model } · <code>{ $task }</code> { $why }
op-events = <b>Events</b>
op-event = { $time } { $moved }: { $why }
op-job-failed = The job is closed and can't be started again. The credit is back already: the button under the message of the failure, such as “Try again”, orders anew. ➕ is a present on top.
op-job-cancelled = The job was cancelled while it was queued, the credit is back already. ➕ is a present on top.

op-keys = 🔑 <b>The video provider's keys</b>
op-keys-more = And { $keys ->
    [one] { $keys } more key
   *[other] { $keys } more keys
}: <code>python3 -m neurocards keys</code>
op-key = <code>{ $fingerprint }</code> · { $account } · { $state } · window { $window } of 20 · in flight { $flying }
op-key-healthy = ✅ healthy
op-key-cooling = 🧊 cooling
op-key-quarantined = ⛔ quarantined
op-key-gone = ▫️ no longer configured
op-key-why = Why: { $why }
op-key-until = Until { $time }
op-key-probe = We look again at { $time }
op-key-locked = Until an operator releases it
op-key-credit = Credit { $credit } as of { $time }

op-ask-grant = Give { CREDITS($credits) } to { $name } (<code>{ $user }</code>)? The balance is { $balance }.
op-ask-take = Take { CREDITS($credits) } from { $name } (<code>{ $user }</code>)? The balance is { $balance }.
op-ask-refund = Stop job { $job } and give the credit back? The customer is told.
op-ask-goodwill = The video of job { $job } was delivered. Give the credit back as a present? They keep the video.
op-ask-lock = Quarantine the key <code>{ $fingerprint }</code>? It will not work until an operator releases it.
op-ask-lock-last = ⚠️ <b>The key <code>{ $fingerprint }</code> is the last one in use.</b> Without it all orders that wait for their shooting fail; the credits come back. Quarantine it all the same?
op-granted = ✅ { CREDITS($credits) } given to <code>{ $user }</code>, balance { $balance }.
op-taken = ✅ { CREDITS($credits) } taken from <code>{ $user }</code>, balance { $balance }.
op-returned = ✅ { RETURNED($credits) } to <code>{ $user }</code>, balance { $balance }.
op-nothing-done = Cancelled, nothing has changed.

op-usage-user = Like this: /user 123456789 or /user @name
op-usage-grant = Like this: /grant 123456789 5 paid by card. To take back: /grant 123456789 -5 mistake
op-usage-ban = Like this: /ban 123456789 reason
op-usage-unban = Like this: /unban 123456789
op-usage-job = Like this: /job 42. The code for support will do, too: /job 17-42
op-usage-broadcast = Like this: /broadcast and the text. Or reply with /broadcast to a message that has the text; its formatting is kept.

op-cast-draft = 📣 Broadcast #{ $cast }, a draft: the text is above. Recipients now: { $people }.
op-cast-running =
    📣 Broadcast #{ $cast } is running for { $time }
    Sent { $sent } of { $people }, blocked the bot { $blocked }, failed { $failed }
op-cast-stopped =
    ⏹ Broadcast #{ $cast } was stopped after { $time }
    Sent { $sent } of { $people }, blocked the bot { $blocked }, failed { $failed }
op-cast-done =
    ✅ Broadcast #{ $cast } is over, it took { $time }
    Sent { $sent } of { $people }, blocked the bot { $blocked }, failed { $failed }
op-cast-dropped = The draft is deleted.
op-cast-unfit = Telegram doesn't take this text: it is too long, or its formatting is broken.

op-button-refresh = 🔄 Refresh
op-button-stats = 📊 Figures
op-button-keys = 🔑 Keys
op-button-job = 🎬 Job { $job }
op-button-user = 👤 Person
op-button-open-it = 🔎 Open
op-button-give = ➕ { CREDITS($credits) }
op-button-ban = ⛔ Keep out
op-button-unban = ✅ Let in
op-button-hurry = 🔁 Retry now
op-button-look = ⏩ Look now
op-button-refund = ↩️ Stop and refund
op-button-goodwill = 🎁 Give the credit back
op-button-yes = ✅ Yes
op-button-no = ✖️ No
op-button-open = 🟢 Take orders
op-button-close = ⏸ Take no orders
op-button-lock = ⛔ Quarantine { $fingerprint }
op-button-release = ✅ Release { $fingerprint }
op-button-cast-test = 👀 Send to me only
op-button-cast-start = 🚀 Send to all: { $people }
op-button-cast-drop = ✖️ Delete the draft
op-button-cast-stop = ⏹ Stop

toast-done = Done
toast-refused-no_user = The bot doesn't know this person: they have not written yet.
toast-refused-no_name = Nobody wrote under this name in the last three days. Try the ID.
toast-refused-no_amount = Zero credits is nothing.
toast-refused-too_much = At most { $most } at once.
toast-refused-too_little = That can't be taken: the balance is { $balance }.
toast-refused-no_job = There is no such job.
toast-refused-ended = The job has ended.
toast-refused-claimed = A worker is at this job right now. Try again in a minute.
toast-refused-awaited = The provider has not answered whether it took the job. Hurrying would make two videos.
toast-refused-refunded = The credit for this job is back already.
toast-refused-repaid = The credit for this job was given back as a present already.
toast-refused-agreed = It is done already.
toast-refused-stale = The question is out of date. Give the command again.
toast-refused-operator = An operator can't be kept out: take them out of ADMIN_IDS.
toast-refused-banned = They are kept out already.
toast-refused-not_banned = They are not kept out.
toast-refused-no_key = There is no such key.
toast-refused-last_key = This is the last key in use: without it all orders that wait for their shooting fail. Take no orders first: /pause
toast-refused-no_cast = There is no such broadcast.
toast-refused-cast_started = This broadcast is no draft any more.
toast-refused-cast_over = This broadcast isn't running any more.

## Messages from operators

notice-granted = 🎁 You were given { CREDITS($credits) }. Your balance: /balance.
notice-goodwill = 🎁 { CREDITS($credits) } back for order #{ $order }; the video stays yours. Your balance: /balance.
notice-banned = ⛔ You have no access to the bot. If this is a mistake, write to { $support }.


alert-key_quarantined = 🔑 <b>A KIE key was quarantined.</b> Check its payment and the key itself; a healthy key comes back by itself. All keys: /keys
alert-script_fallback = 📝 <b>GPT is unavailable, the script came from the template.</b> The order goes on. Check OpenAI's key and balance.
alert-model_fallback = 🎥 <b>A KIE model doesn't answer, a fallback took over.</b> Check KIE_MODEL.
alert-unknown_failure = ❓ <b>An unknown provider failure.</b> Describe it in the classifier.
alert-configuration = ⚙️ <b>The provider rejected our request.</b> Check the model and its parameters.
alert-provider_down = 🛑 <b>The video provider doesn't answer, orders wait.</b> They go on by themselves when it does; whoever waits in vain has the credit back. Take no orders: /pause
alert-retries_held = 🟠 <b>KIE answers with errors, retries are held back.</b> New orders go on, retries wait until there are fewer errors; whoever waits in vain has the credit back. Figures: /stats
alert-provider_up = 🟢 <b>The video provider answers again, orders go on.</b>
alert-no_key_left = 🔑 <b>No KIE key is left.</b> No new video begins, credits go back. Take no orders: /pause, keys: /keys
alert-stuck_rows = 🧱 <b>Messages have not moved for 10 minutes.</b> inbox: the bot doesn't answer people; outbox: workers can't send.
alert-low_credit = 🪫 <b>The video provider's credits run low.</b> Top up this account.
alert-billing = 💸 <b>None of the provider's keys can pay.</b> Top up the account or replace the key; whoever missed out has the credit back.
alert-deadline = ⏰ <b>An order missed its deadline, the credit was returned.</b> I write of these once an hour, however many there are.
alert-inbox_set_aside = 📥 <b>A Telegram update could not be handled and was set aside.</b> The person was asked to repeat it; the details are in the inbox table.
alert-token_shared = 👥 <b>Another program polls Telegram with this BOT_TOKEN.</b> Part of what people write goes to it. Stop it, or get another token from @BotFather.
alert-late_result = 🐌 <b>A video came after its deadline and was not sent, the credit is back already.</b> It can be handed over by hand: the address is below if the provider sent one. I write of late ones once an hour.
alert-stuck_job = 🧯 <b>A worker crashed several times over this order; it was given up, the credit is back.</b> Look at the job's events: the same can happen to other orders, of which I will not write today.
alert-audit_failed = 🚨 <b>The nightly audit found a violation.</b> Take no orders (/pause), look at the people (/user) and jobs (/job) of the list and run python -m neurocards audit.
alert-other = ⚠️ <b>{ $what }</b>
alert-detail = { $name }: <code>{ $value }</code>
