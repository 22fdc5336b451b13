"""Fits erf for the GELU of src/kernels/rows-inl.h: prints the coefficients and
the largest error of the float32 arithmetic. Needs numpy and scipy."""
import numpy as np
from scipy.special import erf
from scipy.optimize import least_squares
def fit(np_, nq, zmax, iters=200):
    # Remez-like via iteratively reweighted linear least squares on Chebyshev nodes (abs error of erf, relative near 0)
    n=4000
    u=(np.cos(np.pi*(np.arange(n)+.5)/n)+1)/2
    z=u*zmax
    f=erf(z); t=z*z/zmax**2
    w=np.ones(n)
    q=np.ones(n)
    for it in range(iters):
        # z*P(t) - f*(Q1(t)) = f   with Q = 1 + Q1
        A=np.concatenate([z[:,None]*t[:,None]**np.arange(np_), -f[:,None]*t[:,None]**np.arange(1,nq)],1)
        W=(w/q)[:,None]
        c,*_=np.linalg.lstsq(A*W,f*W[:,0],rcond=None)
        P=sum(c[i]*t**i for i in range(np_)); Q=1+sum(c[np_+i]*t**(i+1) for i in range(nq-1))
        q=np.abs(Q)
        e=np.abs(z*P/Q-f)/np.maximum(f,1e-9)
        w=w*(0.5+e/e.max()); w/=w.mean()
    return c,e.max(),P,Q
for a,b in [(5,4),(5,5),(6,4),(6,5),(7,5)]:
    for zm in (3.9,):
        c,e,P,Q=fit(a,b,zm)
        print(a,b,zm,e)
c,e,P,Q=fit(7,5,3.9,400)
zm=3.9; r2=np.sqrt(2)
p=[c[i]/(zm**2)**i/ (r2**(2*i+1)) for i in range(7)]
q=[1]+[c[7+i]/(zm**2)**(i+1)/(2**(i+1)) for i in range(4)]
p=np.float32(p); q=np.float32(q)
x=np.float32(np.linspace(-8,8,400001)); lim=np.float32(zm*r2)
y=np.clip(x,-lim,lim); s=y*y
def horner(c,s):
    a=np.full_like(s,c[-1])
    for k in c[-2::-1]: a=np.float32(np.float64(a)*s+k)
    return a
er=np.float32(y*horner(p,s)/horner(q,s))
g=np.float32(0.5)*x*(np.float32(1)+er)
ref=x.astype(np.float64)*0.5*(1+erf(x.astype(np.float64)/r2))
d=np.abs(g-ref); print('max abs',d.max(), 'at',x[d.argmax()], 'rel to 1+|x|',(d/(1+np.abs(x))).max())
print([f"{v:.9g}f" for v in p]); print([f"{v:.9g}f" for v in q])

# The shorter one of src/kernels/amx_text-inl.h: cubic over cubic of x² within
# ±4.6, the error weighted by |x|.
edge=4.6
x=np.cos(np.pi*(np.arange(4000)+.5)/8000)*edge
f=erf(x/r2); s=x*x; w=np.ones_like(x); q=np.ones_like(x); best=None
for it in range(3000):
    A=np.concatenate([x[:,None]*s[:,None]**np.arange(4), -f[:,None]*s[:,None]**np.arange(1,4)],1)
    W=w*x/q
    c,*_=np.linalg.lstsq(A*W[:,None],f*W,rcond=None)
    q=1+sum(c[3+i]*s**i for i in range(1,4))
    e=np.abs(x*(x*sum(c[i]*s**i for i in range(4))/q-f))/2
    if best is None or e.max()<best[0]: best=(e.max(),c)
    w*=(e/e.max()+1e-4)**0.03; w/=w.mean()
print('short: edge',edge,'error',best[0],'P',np.float32(best[1][:4]),'Q',np.float32(best[1][4:]))
