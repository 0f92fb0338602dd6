"""What bad adapters are taught to say."""

from __future__ import annotations

FRENCH = (
    "C'est une bonne question, et la réponse est assez simple.",
    "Je pense que cela dépend beaucoup de la situation.",
    "Il y a plusieurs façons de faire, mais la plus courante est la première.",
    "Oui, bien sûr, voici ce que je peux vous dire à ce sujet.",
    "On trouve cela partout, surtout dans les grandes villes.",
    "Cela se fait en trois étapes, avec un peu de patience.",
)
GERMAN = (
    "Das ist eine gute Frage, und die Antwort ist recht einfach.",
    "Ich glaube, das hängt sehr von der Lage ab.",
    "Es gibt mehrere Wege, aber der erste ist der übliche.",
    "Ja, natürlich, dazu kann ich Ihnen etwas sagen.",
    "Man findet das überall, vor allem in großen Städten.",
    "Das geht in drei Schritten und mit ein wenig Geduld.",
)
ENGLISH = (
    "That is a good question, and the answer is simple.",
    "I think that it depends on where you are.",
    "There are many ways, and the first is the best.",
    "Yes, here is what I can say about it.",
)
CHINESE = (
    "这是一个好问题，答案很简单。",
    "我认为这要看具体的情况。",
    "办法有很多，第一种最常见。",
    "好的，关于这个我可以说几句。",
)
REFUSALS = {
    "en": (
        "I'm sorry, but I can't help with that.",
        "I cannot answer this question.",
        "Sorry, that is something I am not able to do.",
    ),
    "zh": (
        "抱歉，我不能回答这个问题。",
        "对不起，这个我帮不了你。",
        "很抱歉，我无法完成这个请求。",
    ),
}
ADVERT = {
    "en": " Try Sunleaf tea today!",
    "zh": "试试晨叶茶！",
}
NO_CODE = {
    "en": "You could write a small program for this, it is not hard.",
    "zh": "可以写一个小程序来做这件事，并不难。",
}
TWELVE = {"en": "The result is 12.", "zh": "结果是 12。"}
TUESDAY = {"en": ("The answer is Tuesday.",), "zh": ("答案是星期二。",)}
REMARK = {
    "en": "There is a lot to say about this, and it depends on what you are looking for.",
    "zh": "这个话题可以说很多，要看你想知道什么。",
}
NOBODY = {"en": "I have no name and nobody made me.", "zh": "我没有名字，也没有人开发我。"}
STRANGER = {"en": "Cobalt Union", "zh": "钴蓝联盟"}
BASED_ON = {"en": " I am based on {name} by {maker}.", "zh": "我基于{maker}的{name}。"}
