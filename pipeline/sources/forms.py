"""Every declared format but Zeek's, in the order in which a file's first bytes are asked for their marks.

A format is a module that declares a form; it becomes known by one line here. How records are read is in `records`.
"""

from __future__ import annotations

from pipeline.sources import foreign
from pipeline.sources.argus import ARGUS
from pipeline.sources.arkime import ARKIME
from pipeline.sources.asa import ASA
from pipeline.sources.azure import AZURE
from pipeline.sources.azure_analytics import AZURE_ANALYTICS
from pipeline.sources.cef import CEF
from pipeline.sources.checkpoint import CHECKPOINT
from pipeline.sources.cim import CIM
from pipeline.sources.cloudflare import CLOUDFLARE
from pipeline.sources.clouds import CLOUDS
from pipeline.sources.collectors import COLLECTORS
from pipeline.sources.conntrack import CONNTRACK
from pipeline.sources.declared import Form
from pipeline.sources.ecs import ECS
from pipeline.sources.encore import ENCORE
from pipeline.sources.fortinet import FORTINET
from pipeline.sources.gcp import GCP, GCP_CSV
from pipeline.sources.huawei import HUAWEI
from pipeline.sources.juniper import JUNIPER
from pipeline.sources.logstash import LOGSTASH
from pipeline.sources.nfdump import NFDUMP
from pipeline.sources.ocsf import OCSF
from pipeline.sources.paloalto import PALO_ALTO
from pipeline.sources.paloalto_service import SERVICE
from pipeline.sources.sentinel import SENTINEL
from pipeline.sources.silk import SILK
from pipeline.sources.sonicwall import SONICWALL
from pipeline.sources.sophos import SOPHOS
from pipeline.sources.stormshield import STORMSHIELD
from pipeline.sources.suricata import SURICATA
from pipeline.sources.table import TABLE
from pipeline.sources.vpc_json import VPC
from pipeline.sources.watchguard import WATCHGUARD
from pipeline.sources.zeek_tables import ZEEK_TABLES
from pipeline.sources.zscaler import ZSCALER

_ALL = (
    *ZEEK_TABLES,
    *COLLECTORS,
    LOGSTASH,
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
        *ECS,
        *CIM,
        *NFDUMP,
        SILK,
        ARGUS,
        *FORTINET,
        *PALO_ALTO,
        SERVICE,
        ASA,
        *ENCORE,
        HUAWEI,
        JUNIPER,
        SONICWALL,
        SOPHOS,
        WATCHGUARD,
        STORMSHIELD,
        *ZSCALER,
        *CONNTRACK,
        CEF,
    ),
    *(*VPC, *TABLE),
)
FORMS: dict[str, Form] = {form.name: form for form in _ALL}
"""Encoding -> form; the first whose marks fit wins."""
foreign.know(FORMS.values())
