"""Words of several languages: negations, and the small words by which a language is known."""


def _listed(text: str) -> frozenset[str]:
    return frozenset(text.split())


NEGATIONS = _listed(
    "not no never none neither nor nothing nobody nowhere cannot without except unless "
    "nicht nie niemals kein keine keinen keinem keiner keines ohne weder "
    "ne pas jamais aucun aucune sans ni nunca sin jamás ninguno ninguna "
    "não nem sem nenhum nenhuma non mai senza nessun nessuno nessuna "
    "niet geen nooit zonder inte aldrig utan ikke aldri uden nie bez "
    "не нет без никогда ни 不 没 沒 無 无 非 未"
)
"""Words that turn a sentence into its opposite, in lower case."""

SMALL_WORDS = {
    "English": _listed(
        "the of and to in is that it for was with as on are this be by have from at an which or "
        "you they his her but not what can were their there been has will would when who"
    ),
    "German": _listed(
        "der die das und ist nicht ein eine den dem des von zu mit sich auf für im auch als wie "
        "werden wird sind bei einer eines einem haben hat oder aus dass kann nach ich sie er es"
    ),
    "French": _listed(
        "le la les des est et une dans pour que qui sur par pas plus avec sont ce cette il elle "
        "vous nous ils ou du au aux se ne être peut son ses leur mais comme je un"
    ),
    "Spanish": _listed(
        "el los las una es que y en por con para del se su como más pero este esta son al lo "
        "sus entre cuando muy sin sobre también hay fue ser tiene está puede usted yo un"
    ),
    "Italian": _listed(
        "il gli di che è e una per con del della sono non si come più anche dei delle nel nella "
        "questo questa alla al ha essere può dal loro ma io lo i un"
    ),
    "Portuguese": _listed(
        "os as um uma é que e em por com para do da dos das não se como mais mas ao no na nos "
        "nas são foi ser tem está pode você também isso este esta seu sua"
    ),
    "Dutch": _listed(
        "de het een en van is dat op te zijn met voor niet aan er om ook als bij door wordt "
        "maar naar hij zij heeft dit deze kan worden uit over hebben je u"
    ),
    "Swedish": _listed(
        "och att det som en på är av för med den till inte om ett han men var jag sig från vi "
        "så kan när har hon eller också de du"
    ),
    "Polish": _listed(
        "w i na z się nie do jest to że o jak po co ale od za przez dla są oraz tym być jego "
        "może lub który która które ma"
    ),
    "Turkish": _listed(
        "ve bir bu da de için ile çok olarak daha olan gibi ne kadar sonra var en değil ya ama "
        "her mi onun ben sen o"
    ),
}
"""Frequent words of languages with Latin letters, in lower case."""

FUNCTION_WORDS = _listed(
    "the a an and or but of to in on at by for with from as is are was were be been that which "
    "who their his her its our your my this these those because although while if than into "
    "der die das dem den des ein eine einen einem einer und oder aber von zu mit für auf im dass "
    "weil le la les des du un une et ou de que qui dans pour par sur avec el los las una y o del "
    "con por para en il lo gli di che e per della nel os as um uma do da em com het een van op te"
)
"""Words that no sentence ends with, in lower case."""
