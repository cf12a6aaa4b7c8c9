"""Cityscapes labelIds of what the generator paints (the `id` column of the official label table)."""

from __future__ import annotations

EGO = 1
STATIC = 4
ROAD = 7
SIDEWALK = 8
BUILDING = 11
WALL = 12
FENCE = 13
POLE = 17
LIGHT = 19
SIGN = 20
VEGETATION = 21
TERRAIN = 22
SKY = 23
PERSON = 24
RIDER = 25
CAR = 26
TRUCK = 27
BUS = 28
TRAIN = 31
MOTORCYCLE = 32
BICYCLE = 33
