"""`POST /v1/kelly`: the staking calculator, the same function as behind `steamline kelly`."""

from fastapi import APIRouter, HTTPException

from api.problems import Problem
from models.staking.portfolio import allocate
from schemas.errors import Unproven
from schemas.kelly import KellyAnswer, KellyRequest

router = APIRouter()


@router.post(
    "/v1/kelly",
    tags=["staking"],
    responses={
        422: {"model": Problem, "description": "The slate is wrong; the detail says where"},
        500: {"model": Problem, "description": "The optimum is not proven: no stake is given"},
    },
)
def kelly(request: KellyRequest) -> KellyAnswer:  # not async: it computes, in a thread of the pool
    """Growth-optimal stakes for a slate of bets, with their proof. Nothing is placed or kept."""
    try:
        return allocate(request)
    except Unproven as doubt:
        raise HTTPException(500, str(doubt)) from None
