"""Batches: positions that lie close together in time, with the candidates and live features of that moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mos_online.model import Activity, Histories, live_features
from mos_online.model.histories import age_buckets, gate_features, padded
from mos_online.model.live import ACTIVE
from mos_online.training.examples import Examples, Ints, Rings


@dataclass(frozen=True, kw_only=True)
class ItemIndex:
    own: Ints
    category: Ints
    theme: Ints


@dataclass(frozen=True, kw_only=True)
class Batch:
    histories: Histories
    own: Tensor
    category: Tensor
    theme: Tensor
    live: Tensor
    starts: list[int]
    label: Tensor
    weight: Tensor
    items: Ints
    positions: Ints


class Ticker:
    """Activity over time"""
    def __init__(self, item, timestamp, n, half_lives):
        order=np.argsort(timestamp,kind="stable")
        self.item=item[order]; self.time=timestamp[order]; self.n=n
        self.hl=np.array(half_lives,np.float64)
        self.at=0; self.counts=np.zeros((len(half_lives),n)); self.now=int(self.time[0])
        self.first=np.full(n,np.iinfo(np.int64).max); 
        u,i=np.unique(self.item,return_index=True); self.first[u]=self.time[i]
    def advance(self, now):
        end=int(np.searchsorted(self.time,now))
        t=self.time[self.at:end]; it=self.item[self.at:end]
        for h,hl in enumerate(self.hl):
            self.counts[h]*=0.5**((now-self.now)/hl)
            self.counts[h]+=np.bincount(it,weights=0.5**((now-t)/hl),minlength=self.n)
        self.at=end; self.now=now
        return self.counts.copy()

def windows(times, size, span):
    """times sorted; yields (begin,end)"""
    b=0
    out=[]
    while b<len(times):
        e=min(b+size,int(np.searchsorted(times,times[b]+span,side="right")))
        out.append((b,max(e,b+1))); b=max(e,b+1)
    return out

class Batcher:
    def __init__(self, examples: Examples, index: ItemIndex, routed_from: int, cap: int=6000, rng=None):
        self.ex=examples; self.index=index; self.routed_from=routed_from; self.cap=cap
        self.rng=rng or np.random.default_rng(0)
    def make(self, positions: Ints, counts, first, now, full=False) -> Batch:
        log=self.ex.log; r=self.ex.rings(positions)
        target=log.item[positions]
        times=log.timestamp[positions]
        routed=times>=self.routed_from
        if not routed.all():
            keep=routed[r.owner]; keep_e=np.repeat(keep,r.length)
            r=Rings(recent=r.recent,recent_length=r.recent_length,owner=r.owner[keep],theme=r.theme[keep],events=r.events[keep_e],length=r.length[keep],sessions=r.sessions[keep],all_sessions=r.all_sessions[keep],cosine=r.cosine[keep])
        N=len(self.index.own)
        seen=first<now
        cand=np.flatnonzero(seen & ((self.index.own>0)|(counts.max(0)>ACTIVE)))
        wt=None
        must=np.union1d(target, np.intersect1d(np.unique(np.concatenate([log.item[r.recent]])),cand)) if False else np.unique(target)
        if not full:
            weight=np.zeros(N,np.float32)
            if len(cand)>self.cap:
                act=counts[-1][cand]
                top=cand[np.argpartition(-act,self.cap//2)[:self.cap//2]]
                base=np.union1d(top,must)
                rest=np.setdiff1d(cand,base,assume_unique=True)
                pick=self.rng.choice(rest,min(len(rest),self.cap//2),replace=False)
                weight[pick]=np.log(len(rest)/len(pick))
                cand=np.concatenate([base,pick])
            else:
                cand=np.union1d(cand,must)
        cand=cand[np.argsort(self.index.theme[cand],kind="stable")]
        K=self.ex._themes
        starts=np.searchsorted(self.index.theme[cand],np.arange(K+2)).tolist()
        hist=np.unique(np.concatenate([log.item[r.recent],log.item[r.events]]))
        extra=np.setdiff1d(hist,cand)
        items=np.concatenate([cand,extra])
        local=np.full(N,-1,np.int64); local[items]=np.arange(len(items))
        hist=_histories(r,log,positions,times,local)
        feats=live_features(Activity(counts=counts,first_seen=np.minimum(first,now),categories=self.index.category,now=now))[items]
        return Batch(histories=hist, own=torch.from_numpy(self.index.own[items]), category=torch.from_numpy(self.index.category[items]), theme=torch.from_numpy(self.index.theme[items]), live=torch.from_numpy(feats), starts=starts, label=torch.from_numpy(local[target]), weight=torch.from_numpy(weight[cand]) if not full else torch.zeros(0), items=items, positions=positions)

def _histories(r,log,positions,times,local):
    L=r.recent_length
    items=padded(local[log.item[r.recent]],L)
    ages=padded(age_buckets(np.repeat(times,L)-log.timestamp[r.recent]),L)
    mask=np.arange(items.shape[1])<L[:,None]
    ti=padded(local[log.item[r.events]],r.length)
    own_t=np.repeat(times[r.owner],r.length)
    ta=padded(age_buckets(own_t-log.timestamp[r.events]),r.length)
    tm=np.arange(ti.shape[1])<r.length[:,None]
    newest=log.timestamp[r.events[np.cumsum(r.length)-1]] if len(r.length) else np.zeros(0,np.int64)
    g=gate_features(r.sessions,r.all_sessions,times[r.owner]-newest,r.cosine)
    f=torch.from_numpy
    return Histories(items=f(items),ages=f(ages),mask=f(mask),owner=f(r.owner),theme=f(r.theme),theme_items=f(ti),theme_ages=f(ta),theme_mask=f(tm),gates=f(g))
