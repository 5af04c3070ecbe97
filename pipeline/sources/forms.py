"""Every declared format but Zeek's, in the order in which a file's first bytes are asked for their marks.

A format is a module that declares a form; it becomes known by one line here. How records are read is in `records`.
"""

from __future__ import annotations

from pipeline.sources import foreign
from pipeline.sources.declared import Form
from pipeline.sources.formats.accelerator import ACCELERATOR
from pipeline.sources.formats.argus import ARGUS
from pipeline.sources.formats.arkime import ARKIME
from pipeline.sources.formats.asa import ASA
from pipeline.sources.formats.azure import AZURE
from pipeline.sources.formats.azure_analytics import AZURE_ANALYTICS
from pipeline.sources.formats.barracuda import BARRACUDA
from pipeline.sources.formats.cef import CEF
from pipeline.sources.formats.checkpoint import CHECKPOINT
from pipeline.sources.formats.cim import CIM
from pipeline.sources.formats.cloudflare import CLOUDFLARE
from pipeline.sources.formats.clouds import CLOUDS
from pipeline.sources.formats.collectors import COLLECTORS
from pipeline.sources.formats.conntrack import CONNTRACK
from pipeline.sources.formats.darktrace import DARKTRACE
from pipeline.sources.formats.datadog import DATADOG
from pipeline.sources.formats.ecs import ECS
from pipeline.sources.formats.encore import ENCORE
from pipeline.sources.formats.fortinet import FORTINET
from pipeline.sources.formats.gcp import GCP, GCP_CSV
from pipeline.sources.formats.h3c import H3C
from pipeline.sources.formats.hillstone import HILLSTONE
from pipeline.sources.formats.huawei import HUAWEI
from pipeline.sources.formats.juniper import JUNIPER
from pipeline.sources.formats.logstash import FLUENTD, LOGSTASH
from pipeline.sources.formats.nfdump import NFDUMP
from pipeline.sources.formats.nvm import NVM
from pipeline.sources.formats.ocsf import OCSF
from pipeline.sources.formats.otel_netflow import OTEL_NETFLOW
from pipeline.sources.formats.packetbeat import PACKETBEAT
from pipeline.sources.formats.paloalto import PALO_ALTO
from pipeline.sources.formats.paloalto_service import CLOUD_NGFW, SERVICE
from pipeline.sources.formats.qradar import QRADAR
from pipeline.sources.formats.sentinel import SENTINEL
from pipeline.sources.formats.silk import SILK
from pipeline.sources.formats.sonicwall import SONICWALL
from pipeline.sources.formats.sophos import SOPHOS
from pipeline.sources.formats.stealthwatch import STEALTHWATCH
from pipeline.sources.formats.stormshield import STORMSHIELD
from pipeline.sources.formats.suricata import SURICATA
from pipeline.sources.formats.table import TABLE
from pipeline.sources.formats.telegraf import TELEGRAF
from pipeline.sources.formats.udm import UDM
from pipeline.sources.formats.versa import VERSA
from pipeline.sources.formats.vpc_json import VPC
from pipeline.sources.formats.watchguard import WATCHGUARD
from pipeline.sources.formats.zeek_tables import ZEEK_TABLES
from pipeline.sources.formats.zscaler import ZSCALER
from pipeline.sources.wrappings.envelope import OBJECTS

_ALL = (
    *ZEEK_TABLES,
    DARKTRACE,
    LOGSTASH,  # Before what has the names of its fields at the top.
    *COLLECTORS,
    FLUENTD,
    OTEL_NETFLOW,
    *TELEGRAF,
    DATADOG,
    *(
        ARKIME,
        SURICATA,
        OCSF,
        *AZURE,
        *AZURE_ANALYTICS,
        *SENTINEL,
        GCP,
        GCP_CSV,
        *CLOUDS,
        CLOUDFLARE,
        *CHECKPOINT,
        *PACKETBEAT,
        *ECS,
        *CIM,
        *NFDUMP,
        SILK,
        ARGUS,
        *FORTINET,
        *PALO_ALTO,
        SERVICE,
        CLOUD_NGFW,
        ASA,
        *ENCORE,
        NVM,
        *BARRACUDA,
        H3C,
        HUAWEI,
        HILLSTONE,
        JUNIPER,
        SONICWALL,
        SOPHOS,
        WATCHGUARD,
        STORMSHIELD,
        *ZSCALER,
        VERSA,
        *UDM,
        *QRADAR,
        *STEALTHWATCH,
        *CONNTRACK,
        CEF,
    ),
    *(*VPC, ACCELERATOR, *TABLE),
)
FORMS: dict[str, Form] = {form.name: form for form in _ALL}
"""Encoding -> form; the first whose marks fit wins."""
foreign.know(FORMS.values())
OPENED = {
    "zeek_json": ("_source", "event", "result", "zeek.conn", "conn"),
    "suricata": ("event",),
    "cim_json": ("result",),
    "ecs": ("_source",),
    "packetbeat": ("_source",),
    "arkime": ("_source",),
    "darktrace": ("_source",),
    "udm": ("event", "udm"),
    "gcp": ("data", "message"),
    "oci": ("data",),
    "azure_json": OBJECTS,
    "vpc_json": ("attributes", "content"),
}
"""Encoding -> the keys of envelopes that its own reader opens, with what it knows of the rest."""
