"""Alarms: one small rule each, on what the diagnostics say of the epochs so far."""

from chaffinch.training.alarms import labels, training
from chaffinch.training.alarms.alarm import ALARMS, Alarm, Raised, Rule, alarm

__all__ = ["ALARMS", "Alarm", "Raised", "Rule", "alarm", "labels", "training"]
