# Всё, что человек может прочесть по-русски. Разметка — HTML Telegram; переменные экранирует texts.say.
# Ключи button-*, toast-*, command-* и chip-* — простой текст без разметки: Telegram показывает их как есть.
# Неразрывный пробел перед тире texts ставит сам; между числом и словом он стоит здесь.

## Числа со словами

credits = { $n }{"\u00A0"}{ $n ->
    [one] кредит
    [few] кредита
   *[many] кредитов
}
returned = { $n }{"\u00A0"}{ $n ->
    [one] кредит вернулся
    [few] кредита вернулись
   *[many] кредитов вернулось
}
characters = { $n }{"\u00A0"}{ $n ->
    [one] символ
    [few] символа
   *[many] символов
}
videos = { $n }{"\u00A0"}видео
minutes = { $n }{"\u00A0"}мин

## Знакомство и справка

welcome =
    Здравствуйте! 👋

    Я делаю короткие вертикальные видео для карточек Wildberries, Ozon и Яндекс Маркета. От вас — фото и описание товара, сценарий и съёмка — за мной.

    Одно видео стоит 1 кредит и готовится около 5 минут.
welcome-gift = 🎁 Вам начислено: { CREDITS($credits) }. Первое видео — в подарок!
welcome-balance = 💳 На балансе { CREDITS($balance) }.
welcome-continue = Есть незаконченный заказ. Продолжить его или начать новый?
welcome-continue-title = Есть незаконченный заказ: «{ $title }». Продолжить его или начать новый?
help =
    <b>Как получить видео</b>
    1. Пришлите фото товара.
    2. Опишите товар парой фраз.
    3. Выберите шаблон, добавьте пожелания, если они есть.
    4. Выберите, сколько видео снять, и запустите.

    Одно видео стоит 1 кредит. Если видео не вышло, кредит возвращается сам.

    /start — новое видео
    /balance — баланс и последние операции
    /history — готовые видео
    /cancel — отменить черновик или заказ в очереди
    /language — English

    Вопросы и пополнение баланса: { $support }
language-set = Теперь пишу по-русски. Switch to English: /language
group = Я работаю только в личных сообщениях: там и фото, и баланс остаются между нами. Напишите мне лично и нажмите /start.

command-start = Новое видео
command-balance = Баланс и операции
command-history = Готовые видео
command-cancel = Отменить черновик или заказ
command-help = Как это работает
command-language = English / русский

## Вопросы

ask-photo =
    Шаг 1 из 5
    📷 <b>Пришлите фото товара</b>
    Лучше, когда товар виден целиком, света достаточно и в кадре нет людей. Можно файлом; можно сразу с описанием в подписи.
ask-description =
    Шаг 2 из 5
    ✍️ <b>Опишите товар</b>
    Что это, для кого, чем хорош. Хватит пары фраз: от 3 до 2000 символов.
ask-template =
    Шаг 3 из 5
    🎬 <b>Какое видео снять?</b>
    <b>UGC-блогер</b> — живой рассказ от лица покупателя.
    <b>Рекламный ролик</b> — эффектные планы товара, как в рекламе.
    <b>Свой промпт</b> — вы сами пишете, что происходит в кадре.
ask-wishes =
    Шаг 4 из 5
    ✨ <b>Есть пожелания?</b>
    Отметьте подходящее или напишите своими словами, до 500 символов.
ask-prompt =
    Шаг 4 из 5
    📝 <b>Напишите свой промпт</b>
    Что происходит в кадре, как движется камера, какое настроение. От 10 до 2000 символов.
ask-count =
    Шаг 5 из 5
    🔢 <b>Сколько видео снять?</b>
    Каждое получится своим. На балансе { CREDITS($balance) }.
answer-now = Сейчас: <blockquote>{ $text }</blockquote>

summary =
    📋 <b>Проверьте заказ</b>

    📷 Фото: принято
    📦 Описание: { $description }
    🎬 Шаблон: «{ $template }»
summary-wishes = ✨ Пожелания: { $text }
summary-no-wishes = ✨ Пожелания: нет
summary-prompt = 📝 Промпт: { $text }
summary-price =
    🔢 Количество: { VIDEOS($count) }
    💳 Цена: { CREDITS($price) }, после заказа на балансе: { $left }
summary-price-short =
    🔢 Количество: { VIDEOS($count) }
    💳 Цена: { CREDITS($price) }, на балансе пока { CREDITS($balance) }

template-ugc = UGC-блогер
template-ad = Рекламный ролик
template-own = Свой промпт

chip-lively = Динамично
chip-calm = Спокойно
chip-closeup = Крупные планы
chip-home = Дома
chip-outdoors = На улице
chip-nopeople = Без людей

## Кнопки

button-template-ugc = 🤳 UGC-блогер
button-template-ad = 📣 Рекламный ролик
button-template-own = 📝 Свой промпт
button-chosen = ✓ { $label }
button-skip = ➡️ Пропустить
button-next = ➡️ Дальше
button-keep = ➡️ Оставить как есть
button-count = { VIDEOS($count) } · { CREDITS($price) }
button-run = 🚀 Запустить · { CREDITS($price) }
button-check-again = 🔄 Проверить снова
button-back = ⬅️ Назад
button-drop = ✖️ Отмена
button-continue = ▶️ Продолжить
button-new = 🎬 Новое видео
button-replace = ✅ Заменить
button-keep-photo = ↩️ Оставить прежнее
button-change-description = ✏️ Изменить описание
button-change-wishes = ✏️ Изменить пожелания
button-change-prompt = ✏️ Изменить промпт
button-again = 🔁 Ещё вариант · { CREDITS($price) }
button-retry = 🔁 Попробовать снова · { CREDITS($price) }
button-restyle = 🎬 Другой шаблон
button-rephoto = 📷 Другое фото
button-file = 📄 Файлом
button-cancel = ✖️ Отменить
button-cancel-queued = ✖️ Отменить то, что в очереди
button-cancel-order = ✖️ Отменить заказ №{ $order }
button-video = ▶️ №{ $video } · { $title }
button-older = Раньше ▶️
button-newest = ⏮ К последним

## Ответы на шагах

photo-looking = 👀 Смотрю фото…
photo-taken = ✅ Фото принято.
photo-and-description-taken = ✅ Фото и описание приняты.
photo-album = 📚 Беру первое фото из альбома: одно видео снимается по одному фото.
photo-replace = Заменить фото в заказе на это?
photo-replace-both = Заменить фото и описание в заказе на эти?
photo-too_big = 😕 Файл больше 20 МБ, Telegram не даёт его скачать. Пришлите фото поменьше: обычной отправкой, не файлом, Telegram сожмёт его сам.
photo-not_image = 😕 Это не похоже на фотографию. Подойдут JPEG, PNG, WebP и HEIC.
photo-broken = 😕 Файл повреждён и не открывается. Пришлите фото ещё раз или сохраните его заново.
photo-too_many_pixels = 😕 В этом снимке больше 50 мегапикселей. Пришлите его обычной отправкой, не файлом, или уменьшите.
photo-too_small = 😕 Фото слишком маленькое: детали товара не разглядеть. Пришлите снимок покрупнее.
photo-unreachable = 😕 Не получилось скачать фото из Telegram. Пришлите его, пожалуйста, ещё раз.

text-empty = 🤔 В сообщении не видно ни букв, ни цифр. Напишите словами.
text-short = 🤔 Коротковато: { CHARACTERS($n) }, а нужно не меньше { $min }. Добавьте подробностей.
text-long = 🤔 Длинновато: { CHARACTERS($n) }, а помещается { $max }. Сократите, пожалуйста.

dropped = 🗑 Черновик удалён, кредиты на месте. Захочется видео — пришлите фото товара.
nothing-to-cancel = Отменять нечего: черновика нет, в очереди пусто. Захочется видео — пришлите фото товара.
nothing-to-cancel-running = Отменять нечего: ваш заказ уже в работе. Видео придёт сюда само, а если не выйдет, кредит вернётся.
orders-in-queue = Эти заказы ещё в очереди, их можно отменить. Кредиты вернутся сразу.
order-cancelled = ✖️ Заказ №{ $order } отменён: { RETURNED($count) }, баланс { $balance }.
order-cancelled-partly = ✖️ Заказ №{ $order }: убрано из очереди { VIDEOS($count) }, { RETURNED($count) }, баланс { $balance }. Остальное уже в работе или готово.

not-enough =
    💳 <b>Не хватает кредитов</b>
    Заказ стоит { CREDITS($price) }, на балансе { CREDITS($balance) }.
    Черновик сохранён. Чтобы пополнить баланс, напишите { $support }, потом нажмите «Проверить снова».
not-enough-fewer = Или выберите меньше видео.

## Неожиданное

unexpected-text = 🙂 Здесь удобнее кнопкой, выберите её под этим сообщением.
unexpected-text-photo = 🙂 Начнём с фото товара, слова — следующим шагом. Как всё устроено: /help.
unexpected-sticker = 🙂 Стикер хорош, но в заказ его не добавить.
unexpected-voice = 🙂 Голосовые пока не слушаю.
unexpected-video = 🙂 Видео пока не принимаю: снимаю по фотографии.
unexpected-location = 🙂 Место на карте для видео не понадобится.
unexpected-contact = 🙂 Контакт для видео не понадобится.
unexpected-other = 🙂 Такое сообщение пока не понимаю.
unknown-command = 🤔 Такой команды нет. Все команды — в /help.
slow-down = 😅 Не успеваю за вами: сообщений сразу слишком много. Подождите минуту и продолжайте с последнего шага — черновик и кредиты на месте.
sorry = 😔 Что-то пошло не так, и это сообщение осталось без ответа. Пришлите его ещё раз или нажмите /start: черновик и кредиты на месте.

edited-description = ✏️ Исправления в отправленных сообщениях не видны. Чтобы изменить описание, нажмите кнопку.
edited-wishes = ✏️ Исправления в отправленных сообщениях не видны. Чтобы изменить пожелания, нажмите кнопку.
edited-prompt = ✏️ Исправления в отправленных сообщениях не видны. Чтобы изменить промпт, нажмите кнопку.
edited-other = ✏️ Исправления в отправленных сообщениях не видны. Пришлите новый текст отдельным сообщением; новый заказ — /start.

toast-stale-draft = Кнопка устарела: этот черновик изменился или закрыт. Продолжите с последнего сообщения или пришлите фото товара.
toast-stale-order = Кнопка устарела: такого заказа у вас нет. Пришлите фото товара, чтобы начать новый.
toast-changed = Кнопка устарела: заказ изменился. Проверьте его ещё раз.
toast-unknown = Кнопка устарела. Нажмите /start: черновик и кредиты на месте.
toast-running = Уже запускаю
toast-started = Принято, запускаю!
toast-not-enough = Пока не хватает: цена { $price }, баланс { $balance }
toast-too-many = У вас в работе { VIDEOS($count) }, одновременно помещается { $most }. Дождитесь готовых и нажмите «Запустить» снова: черновик сохранён.
toast-closed = Идут технические работы, приём заказов скоро возобновится. Черновик сохранён: нажмите «Запустить» чуть позже.
toast-cancelled = Отменено, кредиты вернулись
toast-too-late = Отменять уже нечего: видео в работе или готово.
toast-file = Готовлю файл…

## Баланс и история

balance = 💳 <b>На балансе { CREDITS($balance) }</b>
balance-top-up = Пополнить: { $support }
balance-entries = Последние операции:
entry-grant = { $date } · { $amount } · начислено
entry-taken = { $date } · { $amount } · списано
entry-debit = { $date } · { $amount } · видео
entry-refund = { $date } · { $amount } · возврат за видео
history = 🎞 <b>Готовые видео</b>
history-line = №{ $video } · { $date } · { $title }
history-empty = Готовых видео пока нет. Пришлите фото товара — исправим!
history-end = Более ранних видео нет.
video-lost = 😔 Не получилось достать видео №{ $video } ни из Telegram, ни из хранилища. Напишите { $support }, поможем.
file-link = 📄 Видео №{ $video } можно скачать по ссылке: { $url }

## Карточка заказа

card-header = 🎬 <b>Заказ №{ $order }</b> · { $title }
card-line = { $number }. { $stage }
card-eta = ⏱ Осталось ≈{ MINUTES($minutes) }. Видео придёт сюда само.
card-soon = ⏱ Осталось меньше минуты. Видео придёт сюда само.
card-overdue = ⏱ Дольше обычного, слежу. Видео придёт сюда само.
card-no-eta = ⏱ Видео придёт сюда само.
card-done = ✅ Заказ №{ $order } готов за { $time }
card-partly = ✅ Заказ №{ $order }: { $done } из { $count } готовы, { RETURNED($returned) }, баланс { $balance }
card-failed = ❌ Заказ №{ $order }: не вышло, { RETURNED($returned) }, баланс { $balance }
card-cancelled = ✖️ Заказ №{ $order } отменён, { RETURNED($returned) }, баланс { $balance }

stage-queued = ⏳ в очереди
stage-script = 📝 пишу сценарий
stage-submit = 📤 отправляю на съёмку
stage-held = ⏸ жду, пока сервис съёмки ответит
stage-render = 🎥 снимаю
stage-deliver = 📦 забираю и отправляю
stage-done = ✅ готово
stage-failed = ❌ не вышло, кредит вернулся
stage-cancelled = ✖️ отменено, кредит вернулся

video-caption =
    🎬 <b>{ $title }</b> · { $template }
    Заказ №{ $order } · на балансе { CREDITS($balance) }
video-caption-one-of =
    🎬 <b>{ $title }</b> · { $template }
    Заказ №{ $order }, видео { $number } из { $count } · на балансе { CREDITS($balance) }

## Не вышло: что, почему, деньги, что дальше

failure-what = 😔 <b>Заказ №{ $order }: видео не вышло.</b>
failure-what-one-of = 😔 <b>Заказ №{ $order }: видео { $number } из { $count } не вышло.</b>
failure-money = 💳 Кредит вернулся, баланс { $balance }.
failure-code = Код для поддержки: <code>{ $code }</code>

why-person = На фото заметили человека, а снимать по фото с людьми правила сервиса не разрешают.
next-person = Пришлите фото, где только товар: нажмите «Другое фото».
why-sexual = Фото или текст показались сервису слишком откровенными.
next-sexual = Попробуйте другое фото или смените пожелания.
why-copyright = Сервис увидел чужой персонаж, логотип или другой охраняемый образ.
next-copyright = Попробуйте другое фото или уберите упоминание из текста.
why-moderation = Фото или текст не прошли проверку сервиса на допустимое содержание.
next-moderation = Попробуйте другое фото или смените пожелания.
why-image_format = Сервис съёмки не смог прочитать это фото.
next-image_format = Сохраните фото как JPEG или снимите заново и нажмите «Другое фото».
why-image_size = Фото не подошло сервису съёмки по размеру.
next-image_size = Нажмите «Другое фото» и пришлите снимок обычного размера.
why-prompt = Сервису не подошёл текст: он слишком длинный или непонятный.
next-prompt = Смените текст или пожелания и запустите ещё раз.
why-user = Сервис съёмки отклонил фото или текст.
next-user = Попробуйте другое фото или смените пожелания.
why-billing = Сбой с оплатой сервиса съёмки на нашей стороне, ваш заказ ни при чём.
next-billing = Обратитесь в тех. поддержку: { $support }. Потом нажмите «Попробовать снова».
why-rate_limit = Сервис съёмки перегружен: мест не нашлось за несколько попыток.
next-rate_limit = Подождите минут десять и нажмите «Попробовать снова».
why-temporary = Сервис съёмки несколько раз подряд ответил сбоем.
next-temporary = Обычно это быстро проходит: нажмите «Попробовать снова».
why-maintenance = Сервис съёмки закрыт на обслуживание и за несколько попыток не открылся.
next-maintenance = Подождите полчаса и нажмите «Попробовать снова».
why-image_unreachable = Сервис съёмки несколько раз подряд не смог забрать у нас фото. Дело не в самом фото.
next-image_unreachable = Нажмите «Попробовать снова»: фото отправится заново.
why-configuration = Сбой в наших настройках, мы уже о нём знаем.
next-configuration = Попробуйте чуть позже. Если не поможет, напишите { $support }.
why-operator = Поддержка остановила этот заказ.
next-operator = Вопросы можно задать здесь: { $support }. Или нажмите «Попробовать снова».
why-unknown = Случилось что-то непредвиденное, мы уже разбираемся.
next-unknown = Нажмите «Попробовать снова». Если не поможет, напишите { $support }.
why-deadline = Съёмка шла слишком долго, и заказ пришлось остановить.
next-deadline = Нажмите «Попробовать снова»: обычно хватает нескольких минут.

held =
    ⏸ Сервис съёмки сейчас не отвечает, заказ №{ $order } ждёт.
    Как только сервис заработает, съёмка начнётся сама: нажимать ничего не нужно.
    💳 Если к { $time } по Москве видео не выйдет, кредит вернётся.

## Операторам

command-admin = Команды оператора
command-stats = Сводка
command-user = Человек: баланс и заказы
command-grant = Начислить кредиты
command-ban = Закрыть доступ
command-unban = Открыть доступ
command-job = Задание: события и попытки
command-keys = Ключи поставщика видео
command-pause = Закрыть приём заказов
command-resume = Открыть приём заказов
command-broadcast = Рассылка

op-menu =
    🛠 <b>Команды оператора</b>
    /stats — сводка
    /user ID — баланс, заказы, операции
    /grant ID N причина — начислить или списать
    /ban ID причина, /unban ID — закрыть и открыть доступ
    /job N — события, попытки, повтор, возврат
    /keys — ключи поставщика
    /pause, /resume — приём заказов
    /broadcast текст — рассылка
    Вместо ID подойдёт @имя, если человек писал боту в последние три дня.

op-stats = 📊 <b>Сводка</b>
op-orders-open = 🟢 Заказы принимаются
op-orders-closed = ⏸ <b>Приём заказов закрыт</b>
op-orders-explained = Пока приём закрыт, кнопка «Запустить» просит подождать, черновики хранятся. Принятые заказы выполняются.
op-paused = 🛑 Не отвечает: { $names }
op-held = ⏸ Ждут поставщика: { $held }
op-queue = ⏳ В очереди { $queued }, в работе { $running }, ожидание { $wait } мин
op-stages = По этапам: { $stages }
op-workers = 👷 Обработчиков { $workers }: { $advice }
op-advice-none = хватает
op-advice-slow = добавьте, ждут дольше 5 минут
op-advice-some = добавьте 2–3
op-advice-many = добавьте 5–10
op-day = 📅 За сутки: заказов { $orders }, видео { $done }, не вышло { $failed }, возвратов { $refunds }
op-failed = Почему не вышло: { $failed }
op-took = ⏱ До видео в среднем { $time }
op-keys-in-use = 🔑 Ключей в работе: { $usable } из { $keys }
op-outbox = 📤 Ждут отправки: { $rows }, дольше всех { $time }
op-inbox = 📥 Ждут ответа: { $rows }, дольше всех { $time }
op-people = 👥 Людей { $people }, на связи { $reachable }, доступ закрыт { $banned }

op-stage-queued = в очереди
op-stage-script = сценарий
op-stage-submit = отправка
op-stage-render = съёмка
op-stage-deliver = передача
op-stage-done = готово
op-stage-failed = не вышло
op-stage-cancelled = отменено

op-person =
    👤 <b>{ $name }</b> · <code>{ $user }</code> · { $speaks }
    💳 На балансе { CREDITS($balance) }
op-reachable = ✅ На связи
op-unreachable = 🔕 Бот заблокирован
op-banned = ⛔ Доступ закрыт с { $time }
op-jobs = <b>Последние видео</b>
op-job-line = { $job } · { $time } · { $stage } { $why }
op-entries = <b>Кредиты</b>
op-entry = { $time } · { $amount } · { $kind } · { $why }

op-kind-grant = начисление
op-kind-taken = списание
op-kind-debit = списано за видео
op-kind-capture = видео сдано
op-kind-refund = возврат

op-job =
    🎬 <b>Задание { $job }</b> · заказ №{ $order }, видео { $number } из { $count }
    { $title }
    Этап: { $stage } { $why }
op-job-waits-worker = У обработчика с { $time }
op-job-waits-provider = Ждёт поставщика: когда тот ответит, задание продолжится само
op-job-waits-answer = Ждёт ответа поставщика, принята ли съёмка
op-job-waits-turn = Ждёт своей очереди
op-job-waits-look = Идёт съёмка, проверим в { $time }
op-job-waits-try = Следующий шаг в { $time }
op-job-deadline = Если видео не выйдет к { $time }, кредит вернётся сам
op-attempts = <b>Попытки у поставщика</b>
op-attempt = { $number }. { $state } · ключ <code>{ $fingerprint }</code> · { $model } · <code>{ $task }</code> { $why }
op-events = <b>События</b>
op-event = { $time } { $moved }: { $why }
op-job-failed = Задание закрыто, заново его не запустить. Кредит уже вернулся: заказать снова можно кнопкой под сообщением о неудаче, например «Попробовать снова». ➕ — подарок сверх возврата.
op-job-cancelled = Задание отменено ещё в очереди, кредит уже вернулся. ➕ — подарок сверх возврата.

op-keys = 🔑 <b>Ключи поставщика видео</b>
op-keys-more = И ещё { $keys ->
    [one] { $keys } ключ
    [few] { $keys } ключа
   *[many] { $keys } ключей
}: <code>python3 -m neurocards keys</code>
op-key = <code>{ $fingerprint }</code> · { $account } · { $state } · окно { $window } из 20 · в работе { $flying }
op-key-healthy = ✅ здоров
op-key-cooling = 🧊 отдыхает
op-key-quarantined = ⛔ в карантине
op-key-gone = ▫️ больше не настроен
op-key-why = Почему: { $why }
op-key-until = До { $time }
op-key-probe = Проверим в { $time }
op-key-locked = Пока не вернёт оператор
op-key-credit = Кредит { $credit } на { $time }

op-ask-grant = Начислить { CREDITS($credits) }: { $name } (<code>{ $user }</code>)? Сейчас на балансе { $balance }.
op-ask-take = Списать { CREDITS($credits) }: { $name } (<code>{ $user }</code>)? Сейчас на балансе { $balance }.
op-ask-refund = Остановить задание { $job } и вернуть кредит? Человек получит сообщение о возврате.
op-ask-goodwill = Видео по заданию { $job } уже у человека. Вернуть кредит в подарок? Видео останется.
op-ask-lock = Отправить ключ <code>{ $fingerprint }</code> в карантин? Он не будет работать, пока его не вернёт оператор.
op-ask-lock-last = ⚠️ <b>Ключ <code>{ $fingerprint }</code> — последний рабочий.</b> Без него сорвутся все заказы, которые ждут съёмки; кредиты вернутся. Всё равно отправить в карантин?
op-granted = ✅ Начислено: { CREDITS($credits) }. <code>{ $user }</code>, на балансе { $balance }.
op-taken = ✅ Списано: { CREDITS($credits) }. <code>{ $user }</code>, на балансе { $balance }.
op-returned = ✅ { RETURNED($credits) }. <code>{ $user }</code>, на балансе { $balance }.
op-nothing-done = Отменено, ничего не изменилось.

op-usage-user = Так: /user 123456789 или /user @имя
op-usage-grant = Так: /grant 123456789 5 оплата картой. Чтобы списать: /grant 123456789 -5 ошибка
op-usage-ban = Так: /ban 123456789 причина
op-usage-unban = Так: /unban 123456789
op-usage-job = Так: /job 42. Подойдёт и код для поддержки: /job 17-42
op-usage-broadcast = Так: /broadcast и текст. Или ответьте командой /broadcast на сообщение с готовым текстом; оформление сохранится.

op-cast-draft = 📣 Рассылка №{ $cast }, черновик: текст выше. Получателей сейчас: { $people }.
op-cast-running =
    📣 Рассылка №{ $cast } идёт { $time }
    Отправлено { $sent } из { $people }, заблокировали бота { $blocked }, не вышло { $failed }
op-cast-stopped =
    ⏹ Рассылка №{ $cast } остановлена, шла { $time }
    Отправлено { $sent } из { $people }, заблокировали бота { $blocked }, не вышло { $failed }
op-cast-done =
    ✅ Рассылка №{ $cast } закончена за { $time }
    Отправлено { $sent } из { $people }, заблокировали бота { $blocked }, не вышло { $failed }
op-cast-dropped = Черновик рассылки удалён.
op-cast-unfit = Telegram не принимает этот текст: он слишком длинный или с повреждённым оформлением.

op-button-refresh = 🔄 Обновить
op-button-stats = 📊 Сводка
op-button-keys = 🔑 Ключи
op-button-job = 🎬 Задание { $job }
op-button-user = 👤 Человек
op-button-open-it = 🔎 Открыть карточку
op-button-give = ➕ { CREDITS($credits) }
op-button-ban = ⛔ Закрыть доступ
op-button-unban = ✅ Открыть доступ
op-button-hurry = 🔁 Повторить сейчас
op-button-look = ⏩ Проверить сейчас
op-button-refund = ↩️ Остановить и вернуть кредит
op-button-goodwill = 🎁 Вернуть кредит в подарок
op-button-yes = ✅ Да
op-button-no = ✖️ Нет
op-button-open = 🟢 Открыть приём
op-button-close = ⏸ Закрыть приём
op-button-lock = ⛔ В карантин { $fingerprint }
op-button-release = ✅ Вернуть в работу { $fingerprint }
op-button-cast-test = 👀 Прислать только мне
op-button-cast-start = 🚀 Отправить всем: { $people }
op-button-cast-drop = ✖️ Удалить черновик
op-button-cast-stop = ⏹ Остановить

toast-done = Готово
toast-refused-no_user = Этого человека бот не знает: он ещё не писал.
toast-refused-no_name = Под этим именем за последние три дня никто не писал. Попробуйте ID.
toast-refused-no_amount = Ноль кредитов — это ничего.
toast-refused-too_much = За один раз не больше { $most }.
toast-refused-too_little = Столько не списать: на балансе { $balance }.
toast-refused-no_job = Такого задания нет.
toast-refused-ended = Задание уже закончено.
toast-refused-claimed = Задание прямо сейчас в работе. Попробуйте через минуту.
toast-refused-awaited = Поставщик ещё не ответил, принята ли съёмка. Торопить нельзя: получилось бы два видео.
toast-refused-refunded = Кредит за это задание уже вернулся.
toast-refused-repaid = Кредит в подарок за это задание уже начислен.
toast-refused-agreed = Уже сделано.
toast-refused-stale = Вопрос устарел. Повторите команду.
toast-refused-operator = Оператору доступ не закрыть: уберите его из ADMIN_IDS.
toast-refused-banned = Доступ уже закрыт.
toast-refused-not_banned = Доступ и так открыт.
toast-refused-no_key = Такого ключа нет.
toast-refused-last_key = Это последний рабочий ключ: без него сорвутся все заказы, которые ждут съёмки. Сначала закройте приём: /pause
toast-refused-no_cast = Такой рассылки нет.
toast-refused-cast_started = Эта рассылка уже не черновик.
toast-refused-cast_over = Эта рассылка уже не идёт.

## Сообщения от операторов

notice-granted = 🎁 Вам начислено: { CREDITS($credits) }. Баланс — /balance.
notice-goodwill = 🎁 Возвращаем { CREDITS($credits) } за заказ №{ $order }, видео остаётся у вас. Баланс — /balance.
notice-banned = ⛔ Доступ к боту закрыт. Если это ошибка, напишите { $support }.


alert-key_quarantined = 🔑 <b>Ключ KIE отправлен в карантин.</b> Проверьте оплату и сам ключ; здоровый ключ вернётся в работу сам. Все ключи: /keys
alert-script_fallback = 📝 <b>GPT недоступен, сценарий взят из шаблона.</b> Заказ выполняется. Проверьте ключ и баланс OpenAI.
alert-model_fallback = 🎥 <b>Модель KIE не отвечает, взята запасная.</b> Проверьте KIE_MODEL.
alert-unknown_failure = ❓ <b>Незнакомая ошибка поставщика.</b> Опишите её в классификаторе.
alert-configuration = ⚙️ <b>Поставщик отклонил наш запрос.</b> Проверьте модель и параметры.
alert-provider_down = 🛑 <b>Поставщик видео не отвечает, заказы ждут.</b> Когда он ответит, они продолжатся сами; кто не дождётся, получит кредит назад. Закрыть приём заказов: /pause
alert-retries_held = 🟠 <b>KIE отвечает ошибками, повторы придержаны.</b> Новые заказы снимаются, повторы ждут, пока ошибок не станет меньше; кто не дождётся, получит кредит назад. Сводка: /stats
alert-provider_up = 🟢 <b>Поставщик видео снова отвечает, заказы продолжаются.</b>
alert-no_key_left = 🔑 <b>Рабочих ключей KIE не осталось.</b> Новые видео не запускаются, кредиты возвращаются. Закрыть приём: /pause, ключи: /keys
alert-stuck_rows = 🧱 <b>Сообщения стоят на месте дольше 10 минут.</b> inbox — людям не отвечает бот, outbox — воркеры не могут отправить.
alert-low_credit = 🪫 <b>У поставщика видео кончаются кредиты.</b> Пополните этот счёт.
alert-billing = 💸 <b>Ни один ключ поставщика не может платить.</b> Пополните счёт или замените ключ; кому не хватило, кредит вернулся.
alert-deadline = ⏰ <b>Заказ не уложился в срок, кредит вернулся.</b> О таких заказах пишу раз в час, сколько бы их ни было.
alert-inbox_set_aside = 📥 <b>Сообщение Telegram не обработано и отложено.</b> Человека попросили повторить; подробности в таблице inbox.
alert-token_shared = 👥 <b>С этим BOT_TOKEN опрашивает Telegram ещё одна программа.</b> Часть сообщений людей уходит к ней. Остановите её или получите другой токен у @BotFather.
alert-late_result = 🐌 <b>Видео пришло после срока и не отправлено, кредит уже вернулся.</b> Видео можно передать вручную: ссылка ниже, если поставщик её прислал. Об опоздавших пишу раз в час.
alert-stuck_job = 🧯 <b>Обработчик несколько раз падал на этом заказе, заказ снят, кредит вернулся.</b> Посмотрите события задания: с другими заказами может случиться то же, о них сегодня не напишу.
alert-audit_failed = 🚨 <b>Ночная сверка нашла нарушение.</b> Закройте приём заказов (/pause), посмотрите людей (/user) и задания (/job) из списка и запустите python -m neurocards audit.
alert-other = ⚠️ <b>{ $what }</b>
alert-detail = { $name }: <code>{ $value }</code>
