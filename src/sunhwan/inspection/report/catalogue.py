"""Every text of pictures and reports by its key: English, Korean; names in braces are filled in."""

SENTENCES: dict[str, tuple[str, str]] = {
    "title": ("Inside {name}", "{name} 들여다보기"),
    "held_out": ("the validation text", "검증에 쓴 글"),
    "from": ("{text}, from token {number}", "{text}의 {number}번째 토큰부터"),
    "line": ("{text}, line {number}", "{text} {number}번째 줄"),
    "missing": ("Left out: {reason}.", "이 부분은 없습니다: {reason}."),
    "about.model": (
        "{layers}; {parameters} parameters; read on {where}.",
        "{layers}, 매개변수 {parameters}개. 살펴본 글: {where}.",
    ),
    "about.made": ("Made by sunhwan {version}.", "sunhwan {version}에서 만듦."),
    "layer": ("layer {number}", "{number}층"),
    "backward": ("from the end", "거꾸로"),
    "training.step": ("training step", "학습 걸음"),
    "colour": ("Colour by", "무엇으로 칠할까요"),
    # 1 How far the gradient reaches
    "flow.title": ("How far the gradient reaches back", "기울기는 얼마나 멀리 거슬러 가는가"),
    "flow.lead": (
        "From the state {place} the gradient goes furthest: {reach}.",
        "기울기가 가장 멀리까지 남는 상태는 {place}입니다. {reach}.",
    ),
    "flow.reach": (
        "{horizon} steps before a prediction it is under 1 % of what it was, and stays so",
        "예측보다 {horizon}걸음 앞에서 처음의 1 % 아래로 내려가 다시 올라오지 않습니다",
    ),
    "flow.reach_all": (
        "{lags} steps before a prediction it is still over 1 % of what it was",
        "예측보다 {lags}걸음 앞에서도 처음의 1 %가 넘게 남아 있습니다",
    ),
    "flow.nothing": (
        "No gradient of these predictions reaches a state.",
        "이 예측들의 기울기가 닿는 상태가 없습니다.",
    ),
    "flow.what": (
        "Each curve is the norm of ∂loss/∂state so many steps before the prediction, relative to "
        "the step that made it: the median of {windows} stretches, and a band for the middle "
        "half of them. Behind the name stands the horizon, from which the median stays under 1 "
        "%.",
        "곡선은 예측에서 그만큼 앞선 걸음의 상태에 대한 손실의 기울기(∂손실/∂상태) 크기를, "
        "예측한 걸음에서의 크기에 견준 것입니다. 토막 {windows}개의 중앙값이며, 띠는 그 가운데 "
        "절반입니다. 이름 뒤의 수는 중앙값이 1 % 아래로 내려가 머무르기 시작하는 지평선입니다.",
    ),
    "flow.x": ("steps before the prediction", "예측에서 앞선 걸음 수"),
    "flow.y": (
        "gradient of the loss by the state (norm, relative)",
        "상태에 대한 손실의 기울기 (상대 크기)",
    ),
    "flow.table": ("Horizon by state", "상태별 지평선"),
    "flow.run": ("run", "실행"),
    "flow.state": ("state", "상태"),
    "flow.horizon": ("horizon (steps)", "지평선(걸음)"),
    "clipping.title": ("Clipping in training", "학습 중 기울기 자르기"),
    "clipping.lead": (
        "{clipped} of {steps} training steps ({share}) had their gradient clipped{limit}.",
        "학습 {steps}걸음 가운데 {clipped}걸음({share})에서 기울기를 잘랐습니다{limit}.",
    ),
    "clipping.lead_limit": (" to norm {limit}", "(크기 {limit}까지)"),
    "clipping.none": (
        "No gradient of the {steps} training steps was clipped.",
        "학습 {steps}걸음에서 기울기를 자른 일이 없습니다.",
    ),
    "clipping.what": (
        "Above, the gradient's norm: its middle and its range in a hundredth of training; below, "
        "the share of steps that were clipped.",
        "위는 학습을 백으로 나눈 토막마다 기울기 크기의 가운데 값과 범위, 아래는 그 토막에서 "
        "기울기를 자른 걸음의 비율입니다.",
    ),
    "clipping.norm": ("gradient norm", "기울기 크기"),
    "clipping.share": ("clipped (%)", "자른 걸음 (%)"),
    "clipping.limit": ("limit {limit}", "한도 {limit}"),
    # 2 Memory in use
    "memory.title": ("How much of what it read it uses", "읽은 것을 얼마나 쓰는가"),
    "memory.lead": (
        "With the last {used} {unit} the model predicts as well as with {longest} (within 1 %): "
        "its loss falls from {first} to {last} nats.",
        "바로 앞 {unit} {used}개만 읽어도 {longest}개를 다 읽을 때만큼 잘 맞힙니다(차이 1 % "
        "이내). 손실은 {first}에서 {last}냇(nat)으로 내려갑니다.",
    ),
    "memory.lead_none": (
        "What comes before does not help the model with this text: its loss is {first} nats "
        "without, and {last} with {longest} {unit}.",
        "이 글에서는 앞글이 도움이 되지 않습니다. 손실은 앞글 없이 {first}냇(nat), 앞의 {unit} "
        "{longest}개를 읽으면 {last}냇입니다.",
    ),
    "memory.lead_all": (
        "The more of the last {longest} {unit} the model may read, the better it predicts: its "
        "loss falls from {first} to {last} nats.",
        "앞의 {unit} {longest}개까지는 더 읽을수록 더 잘 맞힙니다. 손실은 {first}에서 "
        "{last}냇(nat)으로 내려갑니다.",
    ),
    "memory.what": (
        "The loss at {positions} places of the text when the model may read only so much before "
        "each (solid), and when it reads {longest} {unit} but all beyond that is shuffled "
        "(dashed): where the dashed curve meets its end, word order no longer matters. Below, "
        "the gradient of the section before on the same scale. Bands: two standard errors.",
        "글의 {positions}곳에서, 바로 앞의 그만큼만 읽게 했을 때(실선)와 {unit} {longest}개를 다 "
        "읽되 그보다 먼 곳을 뒤섞었을 때(점선)의 손실입니다. 점선이 제 끝 높이에 이르는 곳부터는 "
        "순서가 중요하지 않습니다. 아래는 앞 절의 기울기를 같은 눈금에 놓은 것입니다. 띠는 표준 "
        "오차의 두 배입니다.",
    ),
    "memory.absent": (
        "Left out: a model that writes an answer to a question has no text before it to be cut "
        "off.",
        "이 부분은 없습니다: 질문에 대답을 쓰는 모델에는 잘라 낼 앞 글이 없습니다.",
    ),
    "memory.x": ("{unit} before the prediction", "예측 앞의 {unit} 수 (로그 눈금)"),
    "memory.loss": ("loss (nats)", "손실 (냇)"),
    "memory.whole": ("read: so much and no more", "그만큼만 읽음"),
    "memory.shuffled": ("all beyond it shuffled", "그보다 먼 곳을 뒤섞음"),
    "memory.used": ("in use: {used}", "쓰임: {used}"),
    "memory.gradient": ("gradient, relative", "기울기 (상대 크기)"),
    # 3 Spectrum
    "spectrum.title": ("The spectrum of the recurrence", "순환의 스펙트럼"),
    "spectrum.lead": (
        "The largest spectral radius of a recurrent matrix is {radius}, at {place}.",
        "순환 행렬 가운데 스펙트럼 반지름이 가장 큰 것은 {place}의 {radius}입니다.",
    ),
    "spectrum.lead_jacobian": (
        "Along real text, one step of {layer} maps a small change of the state by a Jacobian of "
        "radius {low} to {high}: {meaning}.",
        "실제 글을 읽을 때 {layer} 한 걸음의 야코비 행렬은 반지름이 {low}에서 {high}까지입니다. "
        "{meaning}.",
    ),
    "spectrum.forgets": (
        "below 1, so that every trace of the past fades",
        "1보다 작으므로 지난 것의 자취는 모두 옅어집니다",
    ),
    "spectrum.keeps": (
        "close to 1, so that some directions last for long",
        "1에 가까우므로 오래 남는 방향이 있습니다",
    ),
    "spectrum.grows": (
        "above 1, so that some changes grow before the gates damp them",
        "1보다 크므로 어떤 변화는 게이트가 누르기 전까지 자라납니다",
    ),
    "spectrum.what": (
        "Eigenvalues of each gate's recurrent matrix in the complex plane, with the unit circle, "
        "and singular values in falling order.",
        "게이트마다 순환 행렬의 고윳값을 복소평면에 단위원과 함께 놓고, 특잇값을 큰 것부터 "
        "늘어놓았습니다.",
    ),
    "spectrum.what_jacobian": (
        "Eigenvalues of ∂state/∂state one step before, all fields of a layer's state together, "
        "at {count} places of the text.",
        "바로 앞 상태에 대한 상태의 기울기 ∂상태ₜ/∂상태ₜ₋₁의 고윳값. 한 층의 상태를 모두 함께, "
        "글의 {count}곳에서 잰 것입니다.",
    ),
    "spectrum.lead_history": (
        "In training the radius of {place} went from {first} to {last}.",
        "학습하는 동안 {place}의 반지름은 {first}에서 {last}까지 움직였습니다.",
    ),
    "spectrum.what_history": (
        "The spectral radius of each recurrent matrix over training.",
        "학습하는 동안 순환 행렬마다 스펙트럼 반지름이 움직인 모습입니다.",
    ),
    "spectrum.radius": ("radius", "반지름"),
    "spectrum.singular": ("singular values", "특잇값"),
    # 4 Probes
    "probes.title": ("Units that tell something", "무언가를 알려 주는 유닛"),
    "probes.lead": (
        "{passed} of {tried} features are told by a single unit better than chance allows. The "
        "clearest is “{feature}”, by {unit}: correlation {score} on text that was not used to "
        "choose it, where chance reaches {chance}.",
        "특징 {tried}가지 가운데 {passed}가지를 유닛 하나가 우연보다 잘 알려 줍니다. 가장 뚜렷한 "
        "것은 ‘{feature}’이고 유닛은 {unit}입니다. 고를 때 쓰지 않은 글에서 상관 {score}, 우연히 "
        "닿을 수 있는 값은 {chance}입니다.",
    ),
    "probes.lead_none": (
        "No single unit tells any of the {tried} features better than chance would.",
        "특징 {tried}가지 가운데 유닛 하나가 우연보다 잘 알려 주는 것이 없습니다.",
    ),
    "probes.lead_nothing": (
        "There was too little text to look for features in it.",
        "특징을 찾아보기에는 글이 너무 적습니다.",
    ),
    "probes.what": (
        "For each feature of the text the unit that goes with it best was chosen on one half of "
        "{tokens} tokens; the bar is its correlation on the other half. The mark is chance: what "
        "the best unit reaches when the feature is shifted against the text, or when the network "
        "has learned nothing. Hollow bars do not pass it.",
        "글의 특징마다 토큰 {tokens}개의 절반에서 가장 잘 맞는 유닛을 고르고, 나머지 절반에서 잰 "
        "상관을 막대로 그렸습니다. 표시는 우연의 수준으로, 특징을 글과 어긋나게 밀었을 때나 "
        "아무것도 배우지 않은 신경망에서 가장 좋은 유닛이 닿는 값입니다. 빈 막대는 그 수준을 "
        "넘지 못한 것입니다.",
    ),
    "probes.x": ("correlation on held-out text", "고를 때 쓰지 않은 글에서의 상관"),
    "probes.feature": ("feature", "특징"),
    "probes.unit": ("unit", "유닛"),
    "probes.score": ("held out", "따로 둔 글"),
    "probes.chance": ("chance", "우연"),
    "probes.precision": ("precision", "정밀도"),
    "probes.recall": ("recall", "재현율"),
    "probes.share": ("share", "비율"),
    "excerpt.title": ("The text by its best units", "가장 뚜렷한 유닛으로 칠한 글"),
    "excerpt.what": (
        "Orange where the unit is on the side of the feature, seen from its mean, purple on the "
        "other: the deeper, the further.",
        "유닛의 값이 평균에서 그 특징 쪽으로 가면 주황, 반대쪽으로 가면 보라이고, 멀수록 짙습니다.",
    ),
    "excerpt.where": ("From: {where}.", "글: {where}."),
    "excerpt.surprise": ("surprise", "뜻밖의 정도"),
    "excerpt.surprise_what": (
        "Surprise is red: the deeper, the less probable the model held what came.",
        "뜻밖의 정도는 붉은색이며, 짙을수록 모델이 확률을 낮게 본 것입니다.",
    ),
    # 5 Traces
    "traces.title": ("Units and gates along a text", "글을 따라가는 유닛과 게이트"),
    "traces.lead": (
        "In {layer}, {open} of {size} units keep their memory nearly always: their gate “{keep}” "
        "is over 0.9 in at least 90 % of the steps.",
        "{layer}에서는 유닛 {size}개 가운데 {open}개가 거의 늘 기억을 지킵니다. 게이트 {keep}의 "
        "값이 걸음의 90 % 이상에서 0.9를 넘는 유닛입니다.",
    ),
    "traces.lead_zero": (
        "In {layer} no unit keeps its memory nearly always, with its gate “{keep}” over 0.9 in "
        "at least 90 % of the steps.",
        "{layer}에는 거의 늘 기억을 지키는 유닛, 곧 게이트 {keep}의 값이 걸음의 90 % 이상에서 "
        "0.9를 넘는 유닛이 없습니다.",
    ),
    "traces.lead_none": (
        "The cell of {layer} has no gate that keeps its memory.",
        "{layer}의 셀에는 기억을 지키는 게이트가 없습니다.",
    ),
    "traces.what": (
        "All units (rows) at every step of a stretch of the text (columns): gates from 0, white, "
        "to 1, deep; states orange above 0 and purple below. The rows are sorted by how open the "
        "keeping gate is; those that stay open are marked at the left.",
        "글 한 토막의 모든 걸음(가로)에서 본 모든 유닛(세로)입니다. 게이트는 0이면 희고 1이면 "
        "짙으며, 상태는 0보다 크면 주황, 작으면 보라입니다. 유닛은 기억을 지키는 게이트가 많이 "
        "열린 차례로 놓았고, 늘 열려 있는 것은 왼쪽에 표시했습니다.",
    ),
    "traces.what_plain": (
        "All units (rows) at every step of a stretch of the text (columns): orange above 0 and "
        "purple below; gates from 0, white, to 1, deep.",
        "글 한 토막의 모든 걸음(가로)에서 본 모든 유닛(세로)입니다. 0보다 크면 주황, 작으면 "
        "보라이며, 게이트는 0이면 희고 1이면 짙습니다.",
    ),
    "traces.keeps": ("keeps", "지킴"),
    "traces.curves": (
        "The best units of the section before along the same text.",
        "앞 절에서 찾은 유닛들을 같은 글에서 본 것입니다.",
    ),
    "looks.title": ("Where the answer looked", "대답이 바라본 곳"),
    "looks.what": (
        "The attention of each token of the answer (rows) to the steps of the question (columns).",
        "대답의 토큰(세로)마다 질문의 어느 걸음(가로)에 주의를 두었는지입니다.",
    ),
    "looks.source": ("question", "질문"),
    "looks.target": ("answer", "대답"),
    # 6 What mattered
    "matters.title": ("What mattered for a prediction", "예측에 무엇이 중요했는가"),
    "matters.lead": (
        "The model held “{predicted}” {probability} probable; what counted most was “{piece}”: "
        "with it hidden, that would be {times} times as probable.",
        "모델이 확률 {probability}로 본 ‘{predicted}’, 여기에 가장 중요했던 것은 "
        "‘{piece}’입니다. 그것을 가리면 확률은 {times}배가 됩니다.",
    ),
    "matters.surprising": ("The most surprising", "가장 뜻밖이었던 것"),
    "matters.sure": ("A sure one", "확신한 것"),
    "matters.last": ("The last", "마지막 것"),
    "matters.predicted": (
        "“{predicted}”, probability {probability}",
        "‘{predicted}’, 확률 {probability}",
    ),
    "matters.occlusion": ("hiding each step", "한 걸음씩 가려 보기"),
    "matters.gradient": ("gradient × input", "기울기 × 입력"),
    "matters.what": (
        "Orange speaks for what was predicted, purple against it: how much log p falls when a "
        "step's input is hidden behind the mean one, or the gradient times the input.",
        "주황은 예측한 것을 뒷받침하고 보라는 그에 반대합니다. 한 걸음의 입력을 평균 입력으로 "
        "가렸을 때 로그 확률이 줄어드는 양, 또는 기울기에 입력을 곱한 값입니다.",
    ),
    # 7 Rolled and unrolled
    "unrolled.title": ("The network rolled and unrolled", "접은 신경망과 펼친 신경망"),
    "unrolled.lead": (
        "{parameters} parameters, the same at every step. Training reads {batch} rows at a time "
        "in blocks of {block} steps, and keeps {memory} of a block for the backward pass.",
        "매개변수 {parameters}개를 모든 걸음에서 함께 씁니다. 학습은 {batch}줄을 한꺼번에 "
        "{block}걸음씩 읽고, 그 한 토막에서 역전파에 쓸 것 {memory}를 간직합니다.",
    ),
    "unrolled.size_lead": (
        "{parameters} parameters, the same at every step.",
        "매개변수 {parameters}개를 모든 걸음에서 함께 씁니다.",
    ),
    "unrolled.cut": (
        "The state goes on from block to block, but no gradient goes back over the border "
        "(truncated backpropagation through time).",
        "상태는 다음 토막으로 이어지지만 기울기는 토막의 경계를 넘어 돌아가지 않습니다(truncated "
        "BPTT).",
    ),
    "unrolled.whole": (
        "Each question is read whole, so that no gradient is cut.",
        "질문마다 처음부터 끝까지 읽으므로 기울기를 자르는 곳이 없습니다.",
    ),
    "unrolled.what": (
        "Left, the network as a loop; right, the same network step by step. Solid arrows: what "
        "is computed; dashed: the gradient on its way back.",
        "왼쪽은 고리로 그린 신경망, 오른쪽은 같은 신경망을 걸음마다 펼친 것입니다. 실선은 계산, "
        "점선은 거슬러 가는 기울기입니다.",
    ),
    "unrolled.loop": ("rolled", "접은 모습"),
    "unrolled.line": ("unrolled", "펼친 모습"),
    "unrolled.block": ("{steps} steps of {rows} rows", "{rows}줄의 {steps}걸음"),
    "unrolled.stops": ("gradient stops", "기울기가 멈춤"),
    "unrolled.pooled": ("pooled: one prediction", "모아서 한 번 예측"),
    "unrolled.state": ("state goes on", "상태는 이어짐"),
    "unrolled.input": ("input", "입력"),
    "unrolled.output": ("output", "출력"),
    "unrolled.cell": ("cell", "셀"),
    "unrolled.direction": ("direction", "방향"),
    "unrolled.forward": ("forward", "앞으로"),
    "unrolled.backward": ("backward", "거꾸로"),
    "unrolled.layer": ("layer", "층"),
    "unrolled.states": ("state", "상태"),
    "unrolled.size": ("input → hidden", "입력 → 은닉"),
    "unrolled.parameters": ("parameters", "매개변수"),
    "unrolled.count": ("{count} parameters", "매개변수 {count}개"),
    "unrolled.saved": ("numbers kept a step and row", "한 걸음·한 줄에 간직하는 수"),
}
