"""Wrong labels that people gave, beside injected ones and none at all: who finds them?"""
