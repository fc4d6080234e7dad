"""The words of KIE's failures, in families of phrases over normalised text (`phrases.normalise`).

No rule rests on "try again", which ends texts of every kind, nor on a single loose word such as "content" or "account".
The order of the table is part of its meaning: the phrases of a later rule may occur in the texts of an earlier one.
"""

from neurocards.classifiers.phrases import Rule, rule

NOT = r"(?:not|n't)"
CANT = r"(?:fail\w*|unable|could ?n't|could not|cannot|can not|can't|error|not able|timed? ?out)"

MONEY = r"(?:credits?|balance|funds|wallet)"
LACK = (
    r"(?:insufficient|(?:not|n't) (?:enough|sufficient|cover)|cannot cover"
    r"|too low|exhausted|depleted|used up|r[ua]n out|negative|empty)"
)
PERIOD = r"(?:daily|hourly|weekly|monthly|usage|spend(?:ing)?|consumption|credit)"
# A quota of requests in a time is a rate limit and no cap of the key's.
NO_RATE = r"^(?!.*(?:\brate\b|throttl)).*"
KEY = r"(?:api ?key|access key|secret key|(?:access|api|auth|bearer) token|credentials?|authorization)"
BAD = r"(?:invalid|incorrect|wrong|bad|expired|revoked|disabled|missing|illegal|unknown|inactive|malformed)"
VOID = r"(?:not found|not exist|not valid|not active|not provided|required|banned|deleted|suspended)"
# Who may not read a picture says so in the words of a key that may do nothing.
NO_PICTURE = r"^(?!.*\b(?:model|images?|files?|urls?|pictures?|photos?|videos?|media)\b).*"

GONE = (
    r"(?:(?:not|n't) (?:be )?(?:supported|found|exist|recogni[sz]ed|enabled|published|activated|available|valid)"
    r"|unsupported|unavailable|invalid|deprecated|offline|disabled|retired|removed|sunset|discontinued|no longer"
    r"|taken down|shut down)"
)
# A model that is only busy is not gone.
LASTING = r"^(?!.*(?:temporar|overload|busy|demand|capacity|at the moment|right now|currently|later|maint)).*"
# The rest of the sentence; the dot in a model's name doesn't end one.
REST = r"(?:[^.;:]|\.(?=\S)){0,60}"
FIELD = r"(?:parameter|param|argument|field|property|option)s?"
TYPE = r"(?:array|string|number|integer|int|boolean|bool|object|list|float|url|positive)"

PROMPT = r"\b(?:prompt|text|description|script)\b"
PEOPLE = r"(?:faces?|humans?|people|persons?|celebrit\w+|minors?|child(?:ren)?|kids?|infants?|individuals?)"
SHOWS = r"\b(?:contain\w*|includ\w*|show\w*|depict\w*|featur\w*|detect\w*|has|have|with|without|of|no|remove|any)"
BARRED = r"(?:(?:not|n't) (?:allowed|supported|permitted)|prohibited|blocked|unsupported|rejected|protected|violat)"

PICTURE = r"(?:images?|files?|pictures?|photos?|media|frames?)"
SOURCE = r"(?:images?|files?|pictures?|photos?|media|frames?|videos?|urls?|links?)"
FETCH = r"(?:fetch|download|access|retriev|load|reach|open|read|get|obtain)\w*"
AWAY = r"(?:unavailable|unreachable|inaccessible|(?:not|n't) (?:accessible|reachable|available|found|exist))"
BOUND = (
    r"(?:exceed|too (?:large|big|small|low|long|wide|tall|many)|(?:larger|bigger|smaller|greater|less|more) than"
    r"|at (?:least|most)|min\w*|max\w*|between|within|\brange|\bratio)"
)

RULES: tuple[Rule, ...] = (
    # Ours: a task was asked for, and neither an answer nor a callback ever came.
    rule("lost reply", "TEMPORARY", "lost_reply", r"^lost reply$|\bno callback\b"),
    rule("our transport", "TEMPORARY", "provider", r"^no (?:connection|answer)\b", r"^an answer that is not"),
    rule(
        "failed, no reason given",
        "UNKNOWN",
        "generic",
        r"^(?:failed |error:? |public error )?(?:the |your )?(?:(?:image|video|audio|content|media|playground) )?"
        r"(?:generation task|task generation|generation|task) (?:has |was )?failed$",
        r"^(?:an )?unknown (?:error|exception|reason)(?: (?:has )?occurred)?$|^gen(?:erate)? (?:video|image) failed$",
    ),
    rule(
        "task not known",
        "UNKNOWN",
        "task_not_found",
        r"record ?info is null",
        r"\btask\b.{0,20}\bnot (?:found|exist)",
    ),
    rule("success without a result", "TEMPORARY", "bad_result", r"success without a result", r"^no result$"),
    rule(
        "no credit",
        "BILLING",
        "no_credit",
        rf"{MONEY}\b[^.]{{0,40}}{LACK}",
        rf"{MONEY} (?:is )?(?:less|lower) than",
        rf"{LACK} (?:\w+ ){{0,3}}(?:{MONEY}|points)\b",
        rf"(?:\b(?:no|zero|out of|lack of|low on|without)|{NOT} have) (?:\w+ ){{0,2}}{MONEY}\b",
        rf"(?:add|buy|purchase|deposit) (?:more |some )?{MONEY}|(?:requires?|costs?|needs?) \d+ (?:\w+ )?credits",
        r"\btop(?:ping)? ?up\b|\brecharge|payment (?:is )?required|\barrears\b|overdue|billing (?:details|issue)",
        r"(?:upgrade|purchase|buy|choose) (?:your|the|a) (?:plan|subscription)",
        r"余额|欠费|充值|积分不足",
    ),
    rule(
        "a cap of the key",
        "BILLING",
        "key_cap",
        rf"\b{PERIOD} (?:\w+ ){{0,2}}(?:limit|cap|quota|allowance)",
        NO_RATE + r"\bquota\b.{0,40}\b(?:reached|exceeded|exhausted|used up|not enough)",
        NO_RATE + r"\b(?:reached|exceed\w*|hit|over|out of|no|insufficient) (?:\w+ ){0,4}quota",
        NO_RATE + rf"{KEY}\b.{{0,40}}\b(?:limit|cap|quota)\b",
        NO_RATE + r"\b(?:limit|cap)\b.{0,30}\b(?:of|on|for) (?:this|your|the) (?:api ?|sub ?)?key",
    ),
    rule(
        "key refused",
        "BILLING",
        "bad_key",
        r"authenticat|unauthori[sz]ed|not authori[sz]ed|authorization (?:failed|required|error)|\bkey verification",
        rf"{BAD} (?:\w+ ){{0,2}}{KEY}\b",
        rf"\b{KEY}\b.{{0,40}}(?:{BAD}|{VOID})",
        r"\b(?:invalid|expired|revoked) token|\btoken (?:is |has )?(?:been )?(?:invalid|expired|revoked)",
        NO_PICTURE + r"(?:\bno|not have|n't have|without|lacks?|insufficient) (?:\w+ ){0,3}permission",
        NO_PICTURE + r"(?:permission denied|access denied|\bforbidden$)",
        r"\b(?:account|user)\b.{0,20}\b(?:suspended|banned|disabled|deactivated|frozen|blocked|locked)",
        r"\bip\b.{0,40}(?:white ?list|allow ?list)|(?:log|sign) ?in (?:first|required)|not logged in",
        r"密钥|未授权|鉴权",
    ),
    rule(
        "too many requests",
        "RATE_LIMIT",
        "",
        r"(?:call|request|access|api|submission)s? frequency|frequency\b.{0,20}(?:limit|high|exceed|fast)",
        r"too frequent|exceed.{0,20}frequency",
        r"\brate\b.{0,12}\b(?:limit|quota)|\blimit\b.{0,30}\brate\b|rate (?:is )?(?:exceeded|too high)|request rate",
        r"too many (?:\w+ ){0,3}(?:request|call|attempt|task|job|submission|generation|quer(?:y|ies)|connection)",
        r"throttl|\b(?:qps|rpm|tpm|rps)\b|concurren(?:t|cy)|slow down|too (?:fast|quickly)|resource (?:\w+ )*exhausted",
        r"\brequests?\b.{0,30}\blimit|\blimit\b.{0,30}\brequests|number of (?:\w+ )?(?:requests|calls|tasks|jobs)\b",
        r"(?:request|call|quer\w+|task)s? per (?:second|minute|hour)|\brequests? exceed",
        r"\d (?:generation|task|job)s? in progress",
        r"(?:max\w*|limit|reached).{0,30}(?:running|active|pending|queued|parallel) (?:task|job|generation)",
        r"(?:running|active|pending|queued|parallel) (?:task|job|generation)s?.{0,30}(?:limit|exceed|max)",
        r"频繁|限流|并发",
    ),
    rule(
        "download failed",
        "TEMPORARY",
        "image_unreachable",
        rf"\bdownload\w* (?:the |your )?(?:\w+ ){{0,3}}{CANT}\b",
    ),
    rule(
        "moderation says so",
        "USER_ERROR",
        "moderation",
        r"(?:rejected|blocked|flagged|stopped|refused|failed) (?:by|in|at) (?:the |our )?(?:\w+ )?moderation",
    ),
    rule(
        "model gone",
        "CONFIGURATION",
        "model_unknown",
        LASTING + rf"\bmodels?\b{REST}(?:\b{GONE}|n't (?:exist|supported|available))",
        LASTING + rf"\b(?:feature|function|endpoint|interface|operation)\b{REST}\b{GONE}",
        r"(?:unknown|unsupported|invalid|no such|non ?existent|deprecated|unrecogni[sz]ed) (?:\w+ )?models?\b",
        r"page does(?: not|n't) exist|\bmodel\b.{0,20}(?:access|unknown)",
        r"(?:access to|permission for) (?:this|the) model|valid model\b",
        r"\b(?:discontinued|sunset)\b",
        r"模型.{0,10}(?:不存在|不支持|下线)",
    ),
    rule(
        "a field is wrong",
        "CONFIGURATION",
        "validation",
        r"within the range of allowed|(?:valid|possible|allowed|accepted) (?:values|options)|is mandatory",
        r"(?:^|[:;,] ?)['\"\w .]{1,40} (?:is|are) required\b",
        rf"required (?:\w+ )?{FIELD}|missing (?:required )?(?:\w+ )?(?:{FIELD}|value|body|url)\b",
        rf"(?:must|should) be (?:an? )?(?:valid )?{TYPE}\b|expected .{{1,40}}\b(?:received|got|but)\b",
        rf"(?:invalid|illegal|malformed|wrong|un\w+|extra) (?:\w+ )?{FIELD}\b",
        rf"\b{FIELD}\b.{{0,40}}(?:{BAD}|error|not supported|not allowed|not valid|range|null)",
        r"invalid (?:type|json|enum|literal|value|request body)|(?:type|json|schema) (?:error|mismatch)|deseriali[sz]",
        r"validation (?:error|failed|exception)|number of (?:\w+ )?(?:urls?|images?|items)|too many (?:images|urls)",
        r"(?:body|payload|json) is (?:malformed|invalid)|\bvalue\b.{0,30}(?:not allowed|invalid)|url is wrong|base ?64",
        r"\brecord (?:result |status |data |does )",
        r"参数",
    ),
    rule(
        "sexual",
        "USER_ERROR",
        "sexual",
        r"sexual|\bnud(?:e|ity)|\bnsfw|erotic|porn|explicit (?:content|material)|adult content|涉黄",
    ),
    rule(
        "a person",
        "USER_ERROR",
        "person",
        rf"(?:real|photo ?realistic|realistic|famous|prominent|real life) (?:\w+ )?{PEOPLE}\b",
        rf"{SHOWS} (?:\w+ ){{0,4}}{PEOPLE}\b|\b{PEOPLE}\b.{{0,30}}(?:detected|{BARRED})",
        r"public figure|politician|celebrit|likeness|\bminors\b|under ?age|child safety|public error (?:user )?minor",
        r"deep ?fake|impersonat|\bcameo|biometric|\bprivacy|真人|人脸|肖像",
    ),
    rule(
        "someone's rights",
        "USER_ERROR",
        "copyright",
        r"copy ?right|trade ?mark|intellectual property|infring|similarity to|recitation",
        r"\bip (?:infring|rights?|input|filter|violation)",
        r"third party (?:content|material|rights?|propert\w+|brands?|ip)",
        r"(?:licensed|protected) (?:character|content|brand|material)",
        r"\b(?:contain\w*|includ\w*|detect\w*|show\w*) (?:\w+ ){0,3}(?:brand|logo)",
        rf"\b(?:brand|logo)s?\b.{{0,30}}{BARRED}",
        r"版权|侵权",
    ),
    rule(
        "prompt",
        "USER_ERROR",
        "prompt",
        rf"{PROMPT}.{{0,40}}(?:too long|too short|exceed|longer than|\b(?:length|limit)\b|characters|at (?:most|least))",
        rf"{PROMPT}.{{0,40}}(?:is|are|be|was) (?:empty|blank)|(?:empty|blank) prompt",
        r"(?:length|characters|tokens|words)\b.{0,30}\bprompt|context length|too many (?:characters|tokens)",
        r"non english|\b(?:english|chinese) prompts?\b|unsupported language|language\b.{0,20}not supported",
    ),
    rule(
        "moderation",
        "USER_ERROR",
        "moderation",
        r"(?:content|usage|safety|community|acceptable use|use) (?:polic(?:y|ies)|guidelines?|standards?|rules?)",
        r"violat\w*.{0,80}(?:polic|guideline|guardrail|terms|rule|standard|law|regulation|restriction)",
        r"polic(?:y|ies)\b.{0,20}(?:violat|block)|guardrail|moderat(?:ion|ed)|inappropriate|unsafe|harmful|offensive",
        r"(?<!case )\bsensitive|\bsafety\b|flagged|suggestive|\brisky\b|risk control|danger(?:ous)?\b|deceptive",
        r"violen(?:t|ce)|\bgore\b|\bhate(?:ful)?\b|harass|self harm|weapon|terroris|\bdrugs\b|political|reputation",
        r"(?:content|prompt|input|output|image|video)s? (?:was |were |is |has been |have been )?"
        r"(?:blocked|rejected|refused|banned|filtered|restricted)",
        r"(?:not|n't|fail\w*)(?: to)? (?:pass|meet)(?:ed|ing)? .{0,40}(?:review|audit|moderat|check|standard)",
        r"content (?:filter|check|review|audit|security|control|risk|restriction)|content inspection|\baudit(?:ed|ing|or)?\b",
        r"(?:illegal|prohibited|forbidden|disallowed|banned) (?:content|words?|activit|goods|material|items?)",
        r"prohibited",
        r"content\b.{0,40}(?:not (?:allowed|permitted|compliant)|(?:can't|can ?not|could not|couldn't) be processed)",
        r"\bcomply\b|terms of (?:service|use)|public error .{0,40}filter|违规|违反|敏感|审核",
    ),
    rule(
        "image format",
        "USER_ERROR",
        "image_format",
        rf"(?:{BAD}|un\w+) (?:\w+ ){{0,2}}{PICTURE}(?: \w+)? ?(?:format|type|data)\b",
        rf"(?:invalid|un(?:supported|readable|recogni[sz]ed)|corrupt\w*|damaged|broken|truncated|bad) {PICTURE}\b"
        r"(?! urls?| size| dim| ratio| links?)",
        rf"\b(?:{PICTURE}|mime) (?:\w+ )?(?:format|type|extension)s?\b.{{0,40}}(?:{BAD}|{NOT}|must|should|only|error|un)",
        rf"\b{PICTURE}\b.{{0,40}}(?:corrupt|damaged|broken|truncated|decod|not a valid image|not an image)",
        rf"\b{PICTURE}\b.{{0,40}}(?:{CANT}|not) be (?:parsed|processed|identified|recogni[sz]ed|converted)",
        rf"{CANT} (?:to )?(?:decode|identify|process|parse|recogni[sz]e|convert) (?:\w+ ){{0,3}}{PICTURE}\b",
        rf"{CANT} .{{0,20}}\b{PICTURE} (?:format|type)|\b(?:only|{PICTURE})\b.{{0,30}}\b(?:jpe?g|png|webp)\b",
        r"\b(?:gif|webp|heic|bmp|tiff?|avif|svg|jpe?g|png)\b.{0,20}(?:not|n't) supported",
        r"\b(?:format|type) (?:of )?(?:the )?(?:\w+ )?(?:image|file|picture)s?\b",
        r"\bsupported (?:image |file )?formats?\b",
    ),
    rule(
        "image size",
        "USER_ERROR",
        "image_size",
        rf"\b(?:{PICTURE}|width|height|dimensions?|pixels?|sides?)\b.{{0,60}}{BOUND}",
        rf"(?:exceed\w*|too (?:large|big|small)|max\w*|min\w*|invalid|unsupported)\b.{{0,40}}\b{PICTURE} "
        r"(?:size|dim|resol|ratio|pix)",
        r"\bratio (?:must|should|has to|needs to) be (?:between|in|within)\b",
        r"image pixel|pixels? (?:is |are )?invalid|entity too large|payload too large",
    ),
    rule(
        "audio", "USER_ERROR", "", r"\baudio\b.{0,30}(?:unavailable|invalid|not (?:found|supported)|too (?:long|short))"
    ),
    rule(
        "image out of reach",
        "TEMPORARY",
        "image_unreachable",
        rf"\b{SOURCE}\b.{{0,60}}\b{FETCH}(?: \w+){{0,3}} {CANT}|\b{SOURCE}\b.{{0,40}}(?:{CANT}|not) be {FETCH}",
        rf"{CANT}(?: \w+){{0,3}} {FETCH}(?: \w+){{0,4}} {SOURCE}\b",
        rf"{CANT}.{{0,20}}\b(?:fetching|downloading|accessing|loading|reading)\b.{{0,30}}\b{SOURCE}\b",
        rf"\b{SOURCE}\b.{{0,30}}(?:{AWAY}|expired|\b40[34]\b|private)",
        rf"(?:permission|access denied)\b.{{0,40}}\b{PICTURE}\b",
        r"access settings|invalid (?:image|file|picture) (?:url|link)",
    ),
    rule(
        "something is invalid",
        "CONFIGURATION",
        "validation",
        r"(?:can ?not|can't|must not|should not) (?:be|exceed)|\bmust (?:be|have)\b|out of range|operation not found",
        r"\bshould be (?:one|between|in|at|less|greater)|\b(?:is|are) (?:invalid|illegal|null|undefined)\b|unsupported",
        r"(?:invalid|illegal|malformed|bad) (?:\w+ )?(?:request|input|url|duration|ratio|resolution|size|mode|id|format)\b",
        rf"{NOT} (?:supported|valid)\b|does {NOT} support|doesn't support|\bis missing\b|method not allowed",
        r"cannot read propert",
        r"resource not found|\bduration\b.{0,20}(?:exceed|too long|input should)",
    ),
    rule(
        "moderation, by its advice",
        "USER_ERROR",
        "moderation",
        r"(?:modify|change|adjust|revise|rephrase|edit|replace|rewrite|another) (?:your |the )?"
        r"(?:prompt|input|text|description|image|picture|content)",
    ),
    rule(
        "maintenance",
        "TEMPORARY",
        "maintenance",
        r"mainten|maintain(?:ed|ing)|\b(?:upgrading|updating the)\b|be back soon|维护",
        r"(?:system|service|server|platform) (?:is )?(?:being )?(?:upgrad|updat)",
    ),
    rule("no answer in time", "TEMPORARY", "provider", r"\brequest (?:has |was )?timed? ?out"),
    rule("unexpected error", "TEMPORARY", "provider", r"unexpected (?:error|exception)"),
    rule(
        "provider's trouble",
        "TEMPORARY",
        "provider",
        r"internal (?:\w+ )?(?:error|failure|exception|fault)|server (?:error|fault|failure|internal)|^internal$",
        r"\bbusy\b|overload|\bexception\b|time(?:d)? ?out|took too long|congest|\bcapacity\b|gateway|upstream|outage",
        r"\b(?:high|heavy|peak) (?:demand|load|traffic|volume|usage|hours?|time)|under .{0,10}pressure|not responding",
        r"(?:no|insufficient|limited|out of|lack of|not enough) (?:\w+ ){0,2}(?:resources?|gpus?|workers?|computing)",
        r"(?:no|out of|insufficient) (?:\w+ ){0,2}(?:memory|channels?|accounts?|output|response)|empty response",
        r"queue\b.{0,20}\b(?:full|too long)|unavailable|not available|connection|network|\bsocket|went wrong",
        r"(?:failed|unable|could not|couldn't) (?:to )?(?:generate|create|submit|start|save|upload|render|get|complete)",
        r"(?:system|service|provider|database|runtime|backend) (?:error|failure|abnormal)|returned (?:an )?error",
        r"\bis down\b|\b50[0-4]\b|\be(?:conn(?:reset|refused|aborted)|timedout)\b|\beof\b|task expired|temporar",
        r"not ready|is processing|check back|cancel(?:l)?ed|aborted",
        r"\bdeadline|still running|pool exhausted|error (?:in |while )?generating|error occurred|try again in \d|繁忙",
        r"超时|稍后|系统异常",
    ),
)
